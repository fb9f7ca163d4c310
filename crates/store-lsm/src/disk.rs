//! The disk as far as this crate looks at it apart from fjall, so that tests can fill it and make it fail.

use std::io;
use std::path::Path;

/// What the store asks of the disk around fjall's own work.
pub trait Disk: Send + Sync + 'static {
    /// Free room in bytes where the folder lies.
    fn free_bytes(&self, path: &Path) -> io::Result<u64>;

    /// Called before a group is written; an error fails the write as if the disk had refused it.
    fn before_write(&self) -> io::Result<()> {
        Ok(())
    }

    /// Called after a group was written and synced, before anyone is told; an error fails the write all the same.
    fn after_write(&self) -> io::Result<()> {
        Ok(())
    }

    /// Called before the store opens its folder again after a failed write.
    fn before_reopen(&self) -> io::Result<()> {
        Ok(())
    }
}

/// The disk itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(path)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}
