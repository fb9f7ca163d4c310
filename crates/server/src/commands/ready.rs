//! `tessera ready`: whether a server takes requests, for whoever starts it again when it does not.

use std::path::PathBuf;

use anyhow::{Result, bail};
use ureq::http::Method;

use crate::client::{Client, Target};

/// `tessera ready`
#[derive(Debug, clap::Args)]
pub(crate) struct ReadyArguments {
    /// Where the server is.
    #[arg(
        long,
        visible_alias = "server",
        env = "TESSERA_URL",
        value_name = "URL",
        default_value = "http://127.0.0.1:8640"
    )]
    url: String,
    /// Certificates, in PEM, that the server's is verified by [default: those of the public authorities].
    #[arg(long, env = "TESSERA_CA_CERT", value_name = "FILE")]
    ca_cert: Option<PathBuf>,
}

/// Runs `tessera ready`.
pub(crate) fn run(arguments: ReadyArguments) -> Result<()> {
    let ReadyArguments { url, ca_cert } = arguments;
    // Nobody has to be known for this.
    let answer = Client::new(&Target::new(&url, "", ca_cert))?.send(Method::GET, "/readyz", &[])?;
    if !answer.is_success() {
        bail!("{url} is not ready: it answers {}", answer.status);
    }
    println!("ready");
    Ok(())
}
