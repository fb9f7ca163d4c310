//! Which rules a rule asks for, and in which order they are asked.

use std::collections::BTreeSet;

use hashbrown::HashMap;
use tessera_expr::ast::{Name, Unit};
use tessera_expr::calendar::Zone;
use tessera_expr::plan::Attributes;

use super::set::{Cycle, Entry, Layer, RuleDef, RuleKind};
use crate::view::Names;

/// Rules by kind, attributes being `true`, and name: the live one and the next one.
pub(super) type ByName = HashMap<(bool, Name), [Option<usize>; 2]>;

pub(super) fn resolve(by_name: &ByName, is_attribute: bool, name: &Name, layer: Layer) -> Option<usize> {
    let [live, next] = by_name.get(&(is_attribute, name.clone()))?;
    match layer {
        Layer::Live => *live,
        Layer::Pending => next.or(*live),
    }
}

/// The rules that a rule asks for: computed attributes by their names, segments by theirs.
pub(super) fn needs_of(def: &RuleDef, by_name: &ByName) -> Vec<usize> {
    let plan = def.rule.plan();
    let segments = plan.segments.iter().filter_map(|name| resolve(by_name, false, name, def.layer));
    let attribute = |name: &Name| resolve(by_name, true, name, def.layer);
    let mut needs: Vec<usize> = match &plan.attributes {
        Attributes::At(paths) => paths.iter().filter_map(|path| attribute(path.first()?)).collect(),
        Attributes::All => {
            by_name.keys().filter(|(is_attribute, _)| *is_attribute).filter_map(|(_, name)| attribute(name)).collect()
        }
    };
    needs.extend(segments);
    needs.sort_unstable();
    needs.dedup();
    needs
}

/// The names at the top of a profile that a rule reads and that are not computed, as its layer sees it; none where it may read any.
fn own_names<'r>(def: &'r RuleDef, by_name: &'r ByName) -> Option<impl Iterator<Item = &'r Name>> {
    let Attributes::At(paths) = &def.rule.plan().attributes else { return None };
    if paths.iter().any(Vec::is_empty) {
        return None;
    }
    let names = paths.iter().filter_map(|path| path.first());
    Some(names.filter(|name| resolve(by_name, true, name, def.layer).is_none()))
}

/// The names at the top of a profile that these rules read and that are not computed.
pub(super) fn names_read<'r>(defs: impl Iterator<Item = &'r RuleDef>, by_name: &ByName) -> Names {
    let mut names = BTreeSet::new();
    for def in defs {
        match own_names(def, by_name) {
            Some(own) => names.extend(own.cloned()),
            None => return Names::All,
        }
    }
    Names::Some(names)
}

/// Whether a rule reads attributes that are not computed.
pub(super) fn reads_values(def: &RuleDef, by_name: &ByName) -> bool {
    own_names(def, by_name).is_none_or(|mut names| names.next().is_some())
}

/// All of them, each behind what it needs.
pub(super) fn ordered(defs: &[RuleDef], needs: &[Vec<usize>]) -> Result<Vec<usize>, Cycle> {
    /// How far a rule has been looked at.
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open,
        Done,
    }
    let mut marks = vec![Mark::New; defs.len()];
    let mut order = Vec::with_capacity(defs.len());
    for start in 0..defs.len() {
        if marks[start] != Mark::New {
            continue;
        }
        marks[start] = Mark::Open;
        // The rules that are open, each with how many of its needs were looked at. No recursion: chains may be long.
        let mut open: Vec<(usize, usize)> = vec![(start, 0)];
        while let Some((at, next)) = open.last_mut() {
            let (at, need) = (*at, needs[*at].get(*next).copied());
            *next += 1;
            match need {
                None => {
                    marks[at] = Mark::Done;
                    order.push(at);
                    open.pop();
                }
                Some(need) if marks[need] == Mark::Open => {
                    let from = open.iter().position(|(own, _)| *own == need).unwrap_or(0);
                    let path = open[from..].iter().map(|(own, _)| *own).chain([need]);
                    return Err(Cycle(path.map(|own| defs[own].name.to_string()).collect()));
                }
                Some(need) if marks[need] == Mark::New => {
                    marks[need] = Mark::Open;
                    open.push((need, 0));
                }
                Some(_) => {}
            }
        }
    }
    Ok(order)
}

pub(super) fn rollovers_of(entries: &[Entry]) -> Vec<(Unit, Zone)> {
    let mut rollovers: Vec<(Unit, Zone)> = Vec::new();
    for entry in entries.iter().filter(|entry| entry.def.kind != RuleKind::Attribute) {
        for own in entry.closure.iter().map(|at| &entries[*at]) {
            for unit in &own.plan().calendar {
                if !rollovers.iter().any(|(known, zone)| known == unit && *zone == own.def.zone) {
                    rollovers.push((*unit, own.def.zone.clone()));
                }
            }
        }
    }
    rollovers
}
