//! The one list of doors.

use std::sync::LazyLock;

use tessera_seam::door::{Door, Doors};
use tessera_seam::route::{Access, Route};

use crate::{admin, dfinery, jobs, native, operation, regulations, segment, segment_profiles, wyng};

/// All doors. The first one answers what is no other's.
static ALL: [&Door; 9] = [
    &native::DOOR,
    &segment::DOOR,
    &segment_profiles::DOOR,
    &regulations::DOOR,
    &wyng::DOOR,
    &tessera_optimizely::DOOR,
    &dfinery::IMPORT,
    &dfinery::EXPORT,
    &tessera_adobe::DOOR,
];

/// All doors, as what goes through them is given them.
pub(crate) static DOORS: LazyLock<Doors> = LazyLock::new(|| Doors::new(&ALL));

/// Those of the native door that stand in folders of their own.
pub(crate) fn native_routes() -> Vec<Route> {
    let own = [native::routes(), jobs::routes(), admin::routes(), operation::routes().into()].into_iter().flatten();
    // A parameter that is misspelt would have a read answer another question. What anybody may ask is asked by monitors with what they like.
    let strict = |route: Route| if let Access::Open = route.access { route } else { route.known_parameters_only() };
    own.map(strict).collect()
}
