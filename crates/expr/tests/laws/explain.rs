//! What an explanation says is what the rule comes to, part by part.

use proptest::prelude::*;
use tessera_expr::eval::Frame;
use tessera_expr::explain::{Joint, LEAVES_MAX, Leaf, Part};
use tessera_expr::limits::STEPS_MAX;
use tessera_expr::pql;
use tessera_expr::rule::{Purpose, Rule};
use tessera_expr::value::Value;

use crate::support::maker::Maker;

/// Whether a part of a condition holds, told by its leaves alone where it is whole.
fn holds(part: &Part, leaves: &mut Vec<Leaf>) -> bool {
    match part {
        Part::Leaf(leaf) => {
            leaves.push(leaf.clone());
            leaf.value == Value::Bool(true)
        }
        Part::Node { joint, holds: told, parts } => {
            let all: Vec<bool> = parts.iter().map(|part| holds(part, leaves)).collect();
            let made = match joint {
                Joint::And => all.iter().all(|holds| *holds),
                Joint::Or => all.iter().any(|holds| *holds),
                Joint::Not => !all.iter().any(|holds| *holds),
            };
            assert_eq!(made, *told, "{joint:?} of {all:?}");
            *told
        }
    }
}

proptest! {
    #[test]
    fn the_parts_of_a_condition_come_to_its_answer(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut maker = Maker::new(&bytes);
        let (known, now) = (maker.facts(), maker.time());
        let frame = Frame { now, zone: &known.zone, steps_max: STEPS_MAX };
        for (expr, purpose) in [(maker.rule(), Purpose::Condition), (maker.expr(4), Purpose::Value)] {
            let text = pql::print(&expr);
            let Ok(rule) = Rule::compile(expr, purpose) else { continue };
            let answer = rule.evaluate(&known, &frame).expect("within budget");
            let explained = rule.explain(&known, &frame).expect("within budget");
            prop_assert_eq!(&explained.value, &answer.value, "{}", text);
            let mut leaves = Vec::new();
            if explained.is_cut {
                prop_assert!(purpose == Purpose::Condition, "{}", text);
                continue;
            }
            match purpose {
                Purpose::Condition => prop_assert_eq!(holds(&explained.root, &mut leaves), answer.holds(), "{}", text),
                Purpose::Value => prop_assert!(matches!(&explained.root, Part::Leaf(leaf) if leaf.value == answer.value), "{}", text),
            }
            prop_assert!(leaves.len() <= LEAVES_MAX);
            // A leaf can be asked by itself, and says the same.
            for leaf in leaves {
                let own = Rule::compile(pql::parse(&leaf.pql).expect("a rule"), Purpose::Condition);
                if let Ok(own) = own {
                    prop_assert_eq!(own.evaluate(&known, &frame).expect("within budget").value, leaf.value, "{}", leaf.pql);
                }
            }
        }
    }
}
