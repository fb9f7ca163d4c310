//! That every entry of the audit log can be read.

use super::Check;
use crate::base::error::Error;
use crate::stored::audit;
use crate::stored::keys::Family;

impl Check<'_> {
    /// In the scope of the system.
    pub(super) async fn audit_log(&mut self) -> Result<(), Error> {
        let mut faults = Vec::new();
        self.each(Family::Audit, |key, value| {
            if let Err(error) = audit::decode(key, value) {
                faults.push(error.to_string());
            }
        })
        .await?;
        faults.into_iter().for_each(|fault| self.fault(Family::Audit, fault));
        Ok(())
    }
}
