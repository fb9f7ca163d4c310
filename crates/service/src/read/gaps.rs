//! What a read does not show of what there is: named, with the reason, in the place of what would be wrong or too large.

use std::collections::BTreeMap;

use tessera_engine::config::Config;
use tessera_engine::rules::RuleResults;
use tessera_engine::value::Tree;
use tessera_engine::view::View;
use tessera_expr::ast::Name;

use crate::base::json::{write_text, write_tree};
use crate::read::query::Fields;
use crate::read::render::{taken, write_member};

/// The rules are off, so it was not computed.
pub(crate) const RULES_OFF: &str = "rules_off";
/// With it the answer would be larger than it may be.
const TOO_LARGE: &str = "too_large";

/// What is not shown, and why.
#[derive(Debug, Default)]
pub(crate) struct Gaps {
    /// Attributes by name.
    pub(crate) attributes: BTreeMap<Name, &'static str>,
    /// Segments by name whose last answer is shown, for there is none now.
    pub(crate) audiences: BTreeMap<Name, &'static str>,
    /// Why no memberships are.
    pub(crate) all_audiences: Option<&'static str>,
}

impl Gaps {
    /// Leaves attributes out of a view that comes to `bytes` of JSON until it comes to `bytes_max`: the largest first, and those that are
    /// computed before the others.
    pub(crate) fn fit(
        &mut self,
        view: &mut View,
        ruled: &RuleResults,
        bytes: usize,
        bytes_max: usize,
        config: &Config,
    ) {
        let mut sizes: Vec<(bool, usize, Name)> = {
            let taken = taken(view, config);
            let shown = view.attributes.iter().filter(|(name, _)| !taken.contains(&***name));
            let size = |(name, tree): (&Name, &Tree)| {
                let is_computed = ruled.attributes.iter().any(|(computed, _)| computed == name);
                let mut json = Vec::new();
                write_tree(tree, &mut json);
                (is_computed, json.len(), name.clone())
            };
            shown.map(size).collect()
        };
        sizes.sort_unstable();
        let mut bytes = bytes;
        while bytes > bytes_max {
            let Some((_, size, name)) = sizes.pop() else { return };
            view.attributes.remove(&name);
            self.attributes.insert(name, TOO_LARGE);
            // Its name stands among the gaps, and takes about as much there.
            bytes = (bytes + TOO_LARGE.len() + 2 + usize::from(self.attributes.len() == 1) * 20).saturating_sub(size);
        }
    }

    /// Writes what is not shown of what was asked for, as a member of the answer.
    pub(crate) fn write(&self, fields: Fields, out: &mut Vec<u8>) {
        let attributes =
            self.attributes.iter().filter(|_| fields.attributes).map(|(name, why)| (name.to_string(), *why));
        let all_audiences = self.all_audiences.filter(|_| fields.audiences).map(|why| ("_audiences".to_owned(), why));
        let some = self.audiences.iter().filter(|_| fields.audiences && self.all_audiences.is_none());
        let audiences = some.map(|(name, why)| (format!("_audiences.{name}"), *why));
        let mut all = attributes.chain(all_audiences).chain(audiences).enumerate().peekable();
        if all.peek().is_none() {
            return;
        }
        out.extend_from_slice(b",\"_incomplete\":{");
        for (at, (name, why)) in all {
            write_member(at, &name, out);
            write_text(why, out);
        }
        out.push(b'}');
    }
}
