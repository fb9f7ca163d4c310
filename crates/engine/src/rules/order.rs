//! Which rules a rule asks for, and in which order they are asked.

use hashbrown::HashMap;
use tessera_expr::ast::{Name, Unit};
use tessera_expr::calendar::Zone;
use tessera_expr::plan::{Attributes, Plan};

use super::set::{Cycle, Entry, Layer, RuleDef, RuleKind};

pub(super) fn resolve(
    by_name: &HashMap<(bool, Name), [Option<usize>; 2]>,
    is_attribute: bool,
    name: &Name,
    layer: Layer,
) -> Option<usize> {
    let [live, next] = by_name.get(&(is_attribute, name.clone()))?;
    match layer {
        Layer::Live => *live,
        Layer::Next => next.or(*live),
    }
}

/// The rules that a rule asks for: computed attributes by their names, segments by theirs.
pub(super) fn needs_of(def: &RuleDef, by_name: &HashMap<(bool, Name), [Option<usize>; 2]>) -> Vec<usize> {
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

pub(super) fn reads_values(plan: &Plan, is_computed: impl Fn(&Name) -> bool) -> bool {
    match &plan.attributes {
        Attributes::All => true,
        Attributes::At(paths) => paths.iter().any(|path| path.first().is_none_or(|name| !is_computed(name))),
    }
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

pub(super) fn turns_of(entries: &[Entry]) -> Vec<(Unit, Zone)> {
    let mut turns: Vec<(Unit, Zone)> = Vec::new();
    for entry in entries.iter().filter(|entry| entry.def.kind != RuleKind::Attribute) {
        for own in entry.closure.iter().map(|at| &entries[*at]) {
            for unit in &own.plan().calendar {
                if !turns.iter().any(|(known, zone)| known == unit && *zone == own.def.zone) {
                    turns.push((*unit, own.def.zone.clone()));
                }
            }
        }
    }
    turns
}
