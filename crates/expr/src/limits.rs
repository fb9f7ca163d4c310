//! Every bound of the rule language, in one place. Each is named in the error that reports it.

use crate::value::Size;

/// Bytes of the text of a rule.
pub const TEXT_BYTES_MAX: usize = 32 * 1024;
/// Nodes of the tree of a rule.
pub const NODES_MAX: usize = 4_000;
/// How deep the tree of a rule may be. Evaluation recurses no deeper than this.
pub const DEPTH_MAX: usize = 64;
/// Names in one path of a rule.
pub const PATH_NAMES_MAX: usize = crate::value::Path::SEGMENTS_MAX;
/// Events that must match one step of a chain, at most.
pub const CHAIN_COUNT_MAX: u32 = 10_000;
/// The newest events of a profile that a rule looks at.
pub const SCAN_EVENTS_MAX: usize = 10_000;
/// Bytes of these events, as they are stored, together. A rule that asks for events of somebody who has more gives no answer.
pub const SCAN_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Steps that one evaluation may take unless the caller says otherwise. A step is a node that is evaluated or an item that is
/// looked at; a million take tens of milliseconds.
pub const STEPS_MAX: u64 = 1_000_000;
/// How large a value may be that a rule makes or looks at whole: items, those inside others counted, and bytes as JSON.
pub const VALUE_MAX: Size = Size { items: 64 * 1024, bytes: 1024 * 1024 };
/// Bytes that a pattern may need once it is compiled.
pub const PATTERN_BYTES_MAX: usize = 256 * 1024;
/// States that the patterns written out in one rule may have between them.
pub const PATTERN_STATES_MAX: usize = 32 * 1024;
/// Bytes of a pattern that is a value and not written out.
pub const PATTERN_TEXT_BYTES_MAX: usize = 1_000;
/// Bytes of compiled patterns that the process keeps, all rules of all workspaces together.
pub const PATTERNS_BYTES_MAX: u64 = 64 * 1024 * 1024;
