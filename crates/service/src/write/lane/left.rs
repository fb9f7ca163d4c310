//! What a commit has left of a document, for whoever wrote it: so nobody reads again what the lane has in hand.

use std::sync::Arc;

use hashbrown::HashMap;
use tessera_engine::cluster::Cluster;
use tessera_engine::id::NodeId;
use tessera_store::Version;

use super::Done;
use super::state::State;
use super::work::WrittenDocument;
use crate::read::find::Found;

impl State {
    /// Tells writes of documents the records that their commit has changed. The epochs of these have moved before: whoever changes one afterwards
    /// moves it again, so what is made of a record is not shown behind the next one.
    pub(super) fn tell_left(&mut self, records: &[Arc<Cluster>], version: Version) {
        let shared = Arc::clone(self.shared());
        let mut written: HashMap<NodeId, Vec<&mut WrittenDocument>> = HashMap::new();
        for done in self.committed() {
            if let Done::Documented(own) = done {
                written.entry(own.documented.document).or_default().push(own);
            }
        }
        if written.is_empty() {
            return;
        }
        for cluster in records {
            for node in cluster.nodes.iter().map(|node| node.id) {
                for own in written.remove(&node).into_iter().flatten() {
                    let epoch = shared.epochs.read(cluster.id());
                    own.left = Some(Found { node, cluster: cluster.clone(), version, epoch });
                }
            }
        }
    }
}
