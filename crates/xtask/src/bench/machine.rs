//! What the kernel says about the machine and about a process.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::clock::ask;

/// Ticks of a second in `/proc`; every Linux that we know has so many.
const TICKS: f64 = 100.0;

/// The lines that describe this machine.
pub(super) fn describe() -> Vec<(String, String)> {
    let cpu_info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        cpu_info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map_or("", |it| it.1);
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory_kib: u64 = memory.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or(0);
    [
        ("date", ask("date", &["-u", "+%Y-%m-%d %H:%M UTC"])),
        ("version", ask("git", &["describe", "--always", "--dirty"])),
        ("rustc", ask("rustc", &["--version"])),
        ("CPU", format!("{model}, {} cores", cores())),
        ("memory", format!("{} GiB", memory_kib >> 20)),
        ("kernel", ask("uname", &["-sr"])),
        ("disk", ask("sh", &["-c", "df --output=source,fstype . | tail -n 1"])),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

pub(super) fn cores() -> usize {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    stat.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu ")).count().max(1)
}

/// The load average of the last minute: who else was at work.
pub(super) fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or_default().to_owned()
}

/// Processor time that all processes of the machine have used.
pub(super) fn cpu_of_all() -> Duration {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields = stat.lines().next().unwrap_or_default().split_whitespace().skip(1);
    let ticks: Vec<u64> = fields.filter_map(|field| field.parse().ok()).collect();
    // user, nice, system, (idle, iowait), irq, softirq
    let busy = [0, 1, 2, 5, 6].iter().filter_map(|at| ticks.get(*at)).sum::<u64>();
    Duration::from_secs_f64(busy as f64 / TICKS)
}

/// Processor time of a process: its threads' code and the kernel's on their behalf.
pub(super) fn cpu_of(process: &str) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_secs_f64(ticks as f64 / TICKS)
}

/// Resident bytes of a process.
pub(super) fn resident(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) << 10
}

/// Bytes of the files of a folder: all of them, and those of journals.
pub(super) fn folder_bytes(folder: &Path) -> (u64, u64) {
    let (mut all, mut journals) = (0, 0);
    let Ok(entries) = fs::read_dir(folder) else { return (0, 0) };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            let inside = folder_bytes(&path);
            (all, journals) = (all + inside.0, journals + inside.1);
        } else {
            let bytes = allocated(&path);
            all += bytes;
            let name = entry.file_name().to_string_lossy().into_owned();
            journals += if name.ends_with(".jnl") || name.contains("journal") { bytes } else { 0 };
        }
    }
    (all, journals)
}

/// Bytes that a file takes on the disk; room that was only reserved beyond its end does not count.
fn allocated(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata(path).map(|data| (data.blocks() * 512).min(data.len())).unwrap_or(0)
}
