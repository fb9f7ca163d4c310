//! Which code of a namespace is which namespace of ours. Codes are compared without their case (spec/adobe.md section 2.4).

use tessera_seam::answer::invalid;
use tessera_service::error::Error;
use tessera_service::workspace_config::StoredConfig;

/// Codes that every organization has, in the case of letters in which answers tell them, and what they are here. Any other code is the name of
/// a namespace of the workspace, in small letters.
const CODES: &[(&str, &str)] =
    &[("crmid", "crm_id"), ("b2b_account", "group_id"), ("idfa", "ios.idfa"), ("gaid", "android.idfa")];

/// The name that a code has here, whether or not the workspace has such a namespace.
pub(super) fn name_of(code: &str) -> String {
    let code = code.trim().to_ascii_lowercase();
    let known = CODES.iter().find(|(own, _)| *own == code);
    known.map_or(code, |(_, name)| (*name).to_owned())
}

/// The code of a namespace.
pub(super) fn code_of(name: &str) -> &str {
    CODES.iter().find(|(_, own)| *own == name).map_or(name, |(code, _)| code)
}

/// The namespace of a workspace that a code means.
///
/// # Errors
/// `namespace_unknown`, with the codes that there are.
pub(super) fn named(config: &StoredConfig, code: &str) -> Result<String, Error> {
    let name = name_of(code);
    if config.namespace(&name).is_ok() {
        return Ok(name);
    }
    let codes: Vec<&str> = config.namespaces().iter().map(|own| code_of(own.name.as_str())).collect();
    let message = format!("no namespace has this code; one of these is expected: {}", codes.join(", "));
    Err(invalid("namespace_unknown", message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_told_as_they_are_read() {
        for (code, name, told) in [
            ("Email", "email", "email"),
            ("ECID", "ecid", "ecid"),
            ("CRMID", "crm_id", "crmid"),
            ("crm_id", "crm_id", "crmid"),
            ("b2b_account", "group_id", "b2b_account"),
            ("IDFA", "ios.idfa", "idfa"),
        ] {
            assert_eq!((name_of(code).as_str(), code_of(name)), (name, told), "{code}");
        }
    }
}
