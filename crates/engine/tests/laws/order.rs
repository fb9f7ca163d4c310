//! Law 2: order does not matter. Profiles are a function of facts, directives and configuration.

use crate::pair::Both;
use crate::steps::{law, setup, steps};
use crate::world::Fetch;

#[test]
fn the_engine_equals_the_reference_after_every_step() {
    law(&(setup(), steps(1..16)), |(setup, steps)| {
        let mut both = Both::new(setup.config(), Fetch::Rounds);
        for step in &steps {
            both.step(step);
            both.commit();
        }
    });
}
