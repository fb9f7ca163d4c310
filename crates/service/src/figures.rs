//! What running workspaces hold, for whoever watches over the host.

use crate::config::workspace::{RuleKind, Status};
use crate::work::service::{Running, Service};

/// What a workspace holds. No value of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkspaceFigures {
    /// The names of its organization and its own, with a slash between them.
    pub name: String,
    /// Profiles.
    pub profiles: u64,
    /// Events on timelines.
    pub events: u64,
    /// Segments that are active.
    pub segments: u64,
    /// Computed attributes that are active.
    pub attributes: u64,
}

impl Service {
    /// What the workspaces that run hold, at most so many of them: one short read for each. One that cannot be read is left out.
    pub async fn running_figures(&self, max: usize) -> Vec<WorkspaceFigures> {
        let directory = self.directory.snapshot();
        let mut all = Vec::new();
        for running in self.parts().workspaces.all().into_iter().take(max) {
            let id = running.shared.workspace;
            let Some(name) = directory.workspace(id).and_then(|own| {
                let organization = directory.organization(own.organization)?;
                Some(format!("{}/{}", organization.name, own.name))
            }) else {
                continue;
            };
            if let Some(figures) = self.figures_of(&running, name).await {
                all.push(figures);
            }
        }
        all
    }

    async fn figures_of(&self, running: &Running, name: String) -> Option<WorkspaceFigures> {
        let counts = self.counts(running.shared.workspace).await.ok()?;
        let configured = running.shared.config.load_full();
        let active = |kind| {
            let rules = configured.iter().flat_map(|own| own.stored.rules().of(kind).values());
            rules.filter(|rule| rule.status() == Status::Active).count() as u64
        };
        let (segments, attributes) = (active(RuleKind::Segment), active(RuleKind::Attribute));
        Some(WorkspaceFigures { name, profiles: counts.profiles, events: counts.events, segments, attributes })
    }
}
