//! The watch: one thread that looks at the free room on the disk, has a store that is shut tried again, and finds out which file is
//! damaged where a read has met damage.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use tessera_store::Room;
use tokio::sync::mpsc::WeakSender;

use crate::committer::Request;
use crate::disk::Disk;
use crate::shared::Shared;
use crate::tables;

/// Between two looks at the free room.
const LOOK: Duration = Duration::from_secs(5);
/// Looks between two lines of the log that say the same: a minute.
const QUIET_LOOKS: u32 = 12;
/// From a failed try to open the store to the next; doubled with each that fails.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// The longest of these pauses.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Looks after a store until its committer ends.
pub(crate) struct Watch {
    pub(crate) path: PathBuf,
    /// Where the trees lie.
    pub(crate) tree: PathBuf,
    pub(crate) shared: Arc<Shared>,
    pub(crate) disk: Arc<dyn Disk>,
    /// Weak, because the committer ends when nobody is left who could ask it.
    pub(crate) committer: WeakSender<Request>,
    /// How often the store could not be opened in a row, told after each failure. Ends when the committer does.
    pub(crate) failures: Receiver<u32>,
}

impl Watch {
    pub(crate) fn run(self) {
        // How long until the store is tried again, while it is shut.
        let mut pause: Option<Duration> = None;
        let mut has_searched = false;
        let mut quiet_looks = 0;
        loop {
            let wait = pause.map_or(LOOK, |pause| pause.min(LOOK));
            match self.failures.recv_timeout(wait) {
                Ok(failures) => pause = Some(pause_after(failures)),
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {
                    self.shared.look_at_room(&*self.disk, &self.path);
                    self.tell_room(&mut quiet_looks);
                    if self.shared.take_damage() && !std::mem::replace(&mut has_searched, true) {
                        self.search();
                    }
                    pause = pause.map(|pause| pause.saturating_sub(wait));
                }
            }
            if pause == Some(Duration::ZERO) {
                pause = None;
                let Some(committer) = self.committer.upgrade() else { return };
                let _ = committer.blocking_send(Request::OpenAgain);
            }
        }
    }
}

impl Watch {
    /// Says that the disk is full, once in a minute as long as it is.
    fn tell_room(&self, quiet_looks: &mut u32) {
        *quiet_looks = quiet_looks.saturating_sub(1);
        if *quiet_looks > 0 {
            return;
        }
        if let Err(error) = self.shared.check_room(Room::Ordinary) {
            *quiet_looks = QUIET_LOOKS;
            tracing::error!(%error, "writes are refused until there is room again; reads go on");
        }
    }

    /// Finds the tables that are damaged: what reads one block of them knows no name. Once in a process, because it reads them all.
    fn search(&self) {
        let faults = tables::verify(&self.tree).faults;
        for fault in &faults {
            let file = fault.file.display();
            tracing::error!(%file, found = fault.found, "a table is damaged: stop the server and restore a backup with `tessera restore`");
        }
        if faults.is_empty() {
            tracing::error!(
                "a read met damage that is in no table: stop the server and run `tessera check` on its folder"
            );
        }
    }
}

/// The pause after so many failures in a row, at least one.
fn pause_after(failures: u32) -> Duration {
    let doubled = 2_u32.checked_pow(failures.saturating_sub(1)).unwrap_or(u32::MAX);
    PAUSE_MIN.checked_mul(doubled).map_or(PAUSE_MAX, |pause| pause.min(PAUSE_MAX))
}

#[cfg(test)]
mod tests {
    use super::{PAUSE_MAX, PAUSE_MIN, pause_after};

    #[test]
    fn pauses_grow_up_to_a_bound() {
        assert_eq!(pause_after(1), PAUSE_MIN);
        assert_eq!(pause_after(2), PAUSE_MIN * 2);
        assert_eq!(pause_after(5), PAUSE_MIN * 16);
        for failures in [10, 33, u32::MAX] {
            assert_eq!(pause_after(failures), PAUSE_MAX, "{failures}");
        }
    }
}
