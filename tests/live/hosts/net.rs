//! Hosts as network namespaces on one bridge, which is in a namespace of its own: no address of this machine is on it, and no
//! way leads out.

use std::{
    fs::File,
    net::TcpListener,
    os::fd::AsFd,
    process::{Command, Stdio},
    thread,
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// The hosts; they are gone when this is dropped.
pub(super) struct Net {
    /// Parts their names from those of others on this machine.
    prefix: String,
    hosts: Vec<(&'static str, u8)>,
}

fn ip(arguments: &[&str]) -> bool {
    let status = Command::new("ip").args(arguments).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

impl Net {
    /// Hosts of these names at 10.77.0.N. `None`, and a line that says so, where this machine makes none: that takes root.
    pub(super) fn new(hosts: &[(&'static str, u8)]) -> Option<Self> {
        let prefix = format!("ts{}", std::process::id());
        let net = Self { prefix, hosts: hosts.to_vec() };
        if net.make() {
            return Some(net);
        }
        let mut said = std::io::stderr();
        let _ = std::io::Write::write_all(
            &mut said,
            b"skipped: this machine makes no network namespaces (root, iproute2)\n",
        );
        None
    }

    fn make(&self) -> bool {
        let bridge = self.space("br");
        let is_made = ip(&["netns", "add", &bridge])
            && ip(&["-n", &bridge, "link", "set", "lo", "up"])
            && ip(&["-n", &bridge, "link", "add", "br0", "type", "bridge"])
            && ip(&["-n", &bridge, "link", "set", "br0", "up"]);
        is_made && self.hosts.iter().all(|(host, number)| self.add(&bridge, host, *number))
    }

    fn add(&self, bridge: &str, host: &str, number: u8) -> bool {
        let (space, address) = (self.space(host), format!("10.77.0.{number}/24"));
        ip(&["netns", "add", &space])
            && ip(&["-n", &space, "link", "set", "lo", "up"])
            && ip(&[
                "-n", bridge, "link", "add", host, "type", "veth", "peer", "name", "e0", "netns",
                &space,
            ])
            && ip(&["-n", bridge, "link", "set", host, "master", "br0"])
            && ip(&["-n", bridge, "link", "set", host, "up"])
            && ip(&["-n", &space, "address", "add", &address, "dev", "e0"])
            && ip(&["-n", &space, "link", "set", "e0", "up"])
    }

    fn space(&self, host: &str) -> String {
        format!("{}-{host}", self.prefix)
    }

    /// A command that runs on a host.
    pub(super) fn on(&self, host: &str, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.space(host), program]);
        command
    }

    /// A listener on a host, for the test itself.
    pub(super) fn listen(&self, host: &str, address: &'static str) -> TcpListener {
        let space = File::open(format!("/run/netns/{}", self.space(host))).unwrap();
        // The host is that of the thread, and of the sockets that it makes.
        let listening = thread::spawn(move || {
            move_into_link_name_space(space.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            TcpListener::bind(address).unwrap()
        });
        listening.join().unwrap()
    }

    /// Cuts the cable of a host, or mends it.
    pub(super) fn link(&self, host: &str, state: &str) {
        assert!(ip(&["-n", &self.space("br"), "link", "set", host, state]), "{host} {state}");
    }

    /// Has one host drop all that it would send to another.
    pub(super) fn drop_route(&self, from: &str, to: u8) {
        let to = format!("10.77.0.{to}/32");
        assert!(ip(&["-n", &self.space(from), "route", "add", "blackhole", &to]), "{from} {to}");
    }

    /// Has it send that again.
    pub(super) fn mend_route(&self, from: &str, to: u8) {
        let to = format!("10.77.0.{to}/32");
        assert!(ip(&["-n", &self.space(from), "route", "del", "blackhole", &to]), "{from} {to}");
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for (host, _) in self.hosts.iter().chain([&("br", 0)]) {
            ip(&["netns", "del", &self.space(host)]);
        }
    }
}
