//! Codes of joins, separations and erasures.

use tessera_service::error::ErrorKind::{Conflict, Invalid, LimitExceeded, NotFound};

use super::{Code, call};

pub(super) const CALLS: &[Code] = &[
    call("erasure_not_found", NotFound, "The workspace has no erasure of this id."),
    call(
        "identity_not_found",
        NotFound,
        "An identity that the call names belongs to no profile: nothing was ever received under it, or it was erased.",
    ),
    call(
        "directive_invalid",
        Invalid,
        "A member of the directive is missing, or does not belong to its type, or an id is none; the message says which.",
    ),
    call("directive_not_found", NotFound, "The workspace has no directive or merge of this id."),
    call("merge_not_found", NotFound, "The history has no merge of this id."),
    call(
        "directive_kind",
        Conflict,
        "`undo` ends a join, `lift` ends a separation; the id is of another act. The message says of which.",
    ),
    call(
        "dataset_reserved",
        Invalid,
        "Names of datasets that begin with `$` are our own. What a directive says is ended by `undo` or `lift`.",
    ),
    call(
        "windows_full",
        LimitExceeded,
        "As many windows became longer as may before what they had let end is taken away. Wait for the job of kind `expire`.",
    ),
    call(
        "erasures_full",
        LimitExceeded,
        "As many erasures of datasets and batches are under way as may be. Wait for one of their jobs to end.",
    ),
    call("one_identity", Invalid, "A join names two different identities."),
    call("not_one_profile", Conflict, "The identities to be separated are not of one profile as it is now."),
    call(
        "nothing_to_separate",
        Conflict,
        "The identities named are all that their profile holds. Name some of them; the others are the rest.",
    ),
    call("too_many_separations", Conflict, "One identity may be part of 100 separations in force. Lift one first."),
    call(
        "separation_in_force",
        Conflict,
        "A separation keeps the two apart. The message names it: lift it, if the two are to be one profile.",
    ),
    call("cluster_full", Conflict, "The two profiles together would hold more identities than are kept as one."),
    call(
        "link_severed",
        Conflict,
        "A document has released one of the two identities from the other. Let the document name it again.",
    ),
];
