//! Changes of the directory: pure, over a snapshot, on behalf of a caller.

use super::{Class, DisplayName, Permissions, RateLimit, Slug};

/// What a new key shall be.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// What people call it.
    pub name: DisplayName,
    /// Where it may be seen.
    pub class: Class,
    /// What it may do.
    pub permissions: Permissions,
    /// The workspaces that it holds, the default one first; all of the organization if none is listed.
    pub workspaces: Option<Vec<Slug>>,
    /// How much it may ask of the service.
    pub rate_limit: Option<RateLimit>,
}
