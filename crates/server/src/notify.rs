//! Tells systemd how far the server is, where it asks: one datagram to the socket that `NOTIFY_SOCKET` names (`sd_notify(3)`).

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// It serves.
pub(crate) const READY: &str = "READY=1";
/// It ends.
pub(crate) const STOPPING: &str = "STOPPING=1";

/// Who is told; nobody where nothing asks.
pub(crate) struct Notify(Option<OsString>);

impl Notify {
    /// Whoever the environment names.
    pub(crate) fn of_environment() -> Self {
        Self(std::env::var_os("NOTIFY_SOCKET").filter(|socket| !socket.is_empty()))
    }

    /// Tells a state. Whoever does not listen holds nobody up.
    pub(crate) fn tell(&self, state: &str) {
        let Some(socket) = &self.0 else { return };
        if let Err(error) = send(socket.as_bytes(), state) {
            tracing::warn!(%error, state, "the service manager cannot be told");
        }
    }
}

fn send(socket: &[u8], state: &str) -> io::Result<()> {
    let address = match socket.strip_prefix(b"@") {
        None => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(socket))?,
        Some(name) => abstract_address(name)?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address).map(drop)
}

#[cfg(target_os = "linux")]
fn abstract_address(name: &[u8]) -> io::Result<SocketAddr> {
    use std::os::linux::net::SocketAddrExt as _;
    SocketAddr::from_abstract_name(name)
}

#[cfg(not(target_os = "linux"))]
fn abstract_address(_: &[u8]) -> io::Result<SocketAddr> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_sockets_are_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let listener = UnixDatagram::bind(&path).expect("a socket");
        Notify(Some(path.into_os_string())).tell(READY);
        let mut bytes = [0; 64];
        let read = listener.recv(&mut bytes).expect("a datagram");
        assert_eq!(&bytes[..read], b"READY=1");
        // Nobody listens, or nobody asks.
        Notify(Some("/nowhere/notify".into())).tell(STOPPING);
        Notify(None).tell(STOPPING);
        #[cfg(target_os = "linux")]
        {
            let name = format!("tessera-test-{}", std::process::id());
            let address = abstract_address(name.as_bytes()).expect("an address");
            let listener = UnixDatagram::bind_addr(&address).expect("a socket");
            Notify(Some(format!("@{name}").into())).tell(STOPPING);
            let read = listener.recv(&mut bytes).expect("a datagram");
            assert_eq!(&bytes[..read], b"STOPPING=1");
        }
    }
}
