//! How the memory of the process is shared out among its parts.

use anyhow::{Result, bail, ensure};

use super::ByteSize;

/// Of so many shares a process has all.
const SHARES: u64 = 32;
/// What is shared out where nothing is said.
const DEFAULT: ByteSize = ByteSize::mebibytes(2 << 10);
/// With less, the smallest parts would not do their work.
const LEAST: ByteSize = ByteSize::mebibytes(512);

/// The part of a setting.
struct Part {
    name: &'static str,
    shares: u64,
    /// Less than this is refused.
    least: ByteSize,
}

const fn part(name: &'static str, shares: u64, least_mebibytes: u64) -> Part {
    Part { name, shares, least: ByteSize::mebibytes(least_mebibytes) }
}

/// All parts. The shares that none of them has are for what has no part: connections, tasks, what is made of a body while it is decided,
/// filters of tables, compiled patterns. The largest body, and the largest answer, fit into the half that one workspace may have.
const PARTS: [Part; 8] = [
    part("request_memory_bytes", 2, 16),
    part("answer_memory_bytes", 4, 64),
    part("queue_memory_bytes", 2, 16),
    part("workspace_memory_bytes", 2, 0),
    part("view_cache_bytes", 3, 0),
    part("record_cache_bytes", 7, 0),
    part("store_cache_bytes", 4, 0),
    part("write_buffer_bytes", 4, 4),
];

/// Bytes of each part, in the order of their settings: what is given stays as it is, the others share what is left of all.
/// Answers what comes to all of it as well.
///
/// # Errors
/// What is given does not fit, or is too little.
pub(super) fn share_out(memory: Option<ByteSize>, given: [Option<ByteSize>; 8]) -> Result<(ByteSize, [ByteSize; 8])> {
    let whole = memory.unwrap_or(DEFAULT);
    ensure!(whole.bytes() >= LEAST.bytes(), "memory is {whole}: it must be {LEAST} or more");
    let taken = given.iter().flatten().fold(0, |sum: u64, own| sum.saturating_add(own.bytes()));
    let of_parts = whole.bytes() / SHARES * PARTS.iter().map(|own| own.shares).sum::<u64>();
    // Where nobody says how much all is, what is given takes nothing from the others.
    let (left, shares) = match memory {
        None => (whole.bytes(), SHARES),
        Some(_) => {
            let names: Vec<&str> = PARTS.iter().zip(&given).filter_map(|(own, size)| size.map(|_| own.name)).collect();
            if taken > of_parts {
                let room = ByteSize(of_parts);
                bail!(
                    "memory is {whole}, of which {room} are for its parts, and {} come to more: lower them, or raise memory",
                    names.join(", ")
                );
            }
            let free = PARTS.iter().zip(&given).filter(|(_, size)| size.is_none());
            (of_parts - taken, free.map(|(own, _)| own.shares).sum())
        }
    };
    let mut sizes = [ByteSize(0); 8];
    for ((part, given), size) in PARTS.iter().zip(given).zip(&mut sizes) {
        // Whole mebibytes, as they are written in settings.
        let share = |left: u64| ByteSize(left / shares * part.shares).floor();
        *size = given.unwrap_or_else(|| share(left));
        let (name, least) = (part.name, part.least);
        ensure!(size.bytes() >= least.bytes(), "{name} is {size}: it must be {least} or more");
    }
    let parts: u64 = sizes.iter().fold(0, |sum, own| sum.saturating_add(own.bytes()));
    let rest = DEFAULT.bytes() - of_parts.min(DEFAULT.bytes());
    Ok((memory.unwrap_or(ByteSize(parts.saturating_add(rest))), sizes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared(memory: Option<u64>, given: &[(usize, u64)]) -> Result<(u64, [u64; 8]), String> {
        let mut sizes = [None; 8];
        given.iter().for_each(|(at, mebibytes)| sizes[*at] = Some(ByteSize::mebibytes(*mebibytes)));
        let shared = share_out(memory.map(ByteSize::mebibytes), sizes).map_err(|error| error.to_string())?;
        Ok((shared.0.bytes() >> 20, shared.1.map(|own| own.bytes() >> 20)))
    }

    #[test]
    fn parts_are_shares_of_the_whole() {
        assert_eq!(shared(None, &[]), Ok((2_048, [128, 256, 128, 128, 192, 448, 256, 256])));
        assert_eq!(shared(Some(2_048), &[]), shared(None, &[]));
        assert_eq!(shared(Some(1_024), &[]), Ok((1_024, [64, 128, 64, 64, 96, 224, 128, 128])));
        assert_eq!(shared(Some(512), &[]), Ok((512, [32, 64, 32, 32, 48, 112, 64, 64])));
        assert_eq!(shared(Some(511), &[]), Err("memory is 511MiB: it must be 512MiB or more".into()));
    }

    #[test]
    fn what_is_given_is_taken_from_the_whole() {
        assert_eq!(shared(Some(1_024), &[(4, 448)]), Ok((1_024, [35, 71, 35, 35, 448, 125, 71, 71])));
        assert_eq!(shared(Some(1_024), &[(4, 0), (1, 64)]), Ok((1_024, [79, 64, 79, 79, 0, 277, 158, 158])));
        let error = shared(Some(1_024), &[(4, 512), (5, 512)]).expect_err("too much");
        assert_eq!(
            error,
            "memory is 1GiB, of which 896MiB are for its parts, and view_cache_bytes, record_cache_bytes come to more: lower them, or \
             raise memory"
        );
        // What is left has to do.
        let error = shared(Some(1_024), &[(4, 800)]).expect_err("too little is left");
        assert_eq!(error, "request_memory_bytes is 7MiB: it must be 16MiB or more");
        // Where the whole is not said, it is what the parts come to.
        assert_eq!(shared(None, &[(4, 1_024)]), Ok((2_880, [128, 256, 128, 128, 1_024, 448, 256, 256])));
        assert!(shared(None, &[(0, 1)]).is_err(), "a part of its own may be too little as well");
    }
}
