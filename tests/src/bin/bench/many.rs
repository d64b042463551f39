//! Hosts with very many virtual routers.

use std::{fmt::Write, time::Duration};

use anyhow::Result;
use rig::{Lab, Node};

/// An interface has room for so many virtual routers of a family.
pub(crate) const PER_INTERFACE: u16 = 255;

/// How many virtual routers, and how often each sends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) routers: u16,
    pub(crate) ms: u64,
}

impl Load {
    pub(crate) fn advert_int(self) -> Duration {
        Duration::from_millis(self.ms)
    }

    /// The names of the interfaces on the lab's first two nodes: the lab's own, and cables from node
    /// to node for what has no room there.
    ///
    /// # Errors
    /// A cable cannot be made.
    pub(crate) fn interfaces(self, lab: &Lab) -> Result<Vec<String>> {
        let mut names = vec![Node::INTERFACE.to_owned()];
        let (first, second) = (lab.node(0), lab.node(1));
        for number in 1..self.routers.div_ceil(PER_INTERFACE) {
            let name = format!("eth{number}");
            let peer = ["peer", "name", &name, "netns", second.namespace().name()];
            first.namespace().ip(&[&["link", "add", &name, "type", "veth"], &peer[..]].concat())?;
            for (node, host) in [(first, 1), (second, 2)] {
                let address = format!("198.19.{number}.{host}/24");
                node.namespace().ip(&["addr", "add", &address, "dev", &name])?;
                node.namespace().ip(&["link", "set", &name, "up"])?;
            }
            names.push(name);
        }
        Ok(names)
    }

    /// A file with all virtual routers; their addresses are of the network for benchmarks (RFC
    /// 2544).
    pub(crate) fn config(self, interfaces: &[String], priority: u8) -> String {
        let interval = self.advert_int().as_secs_f64();
        let mut config = String::new();
        for number in 0..self.routers {
            let (interface, vrid) = (number / PER_INTERFACE, number % PER_INTERFACE + 1);
            let device = &interfaces[usize::from(interface)];
            let name = name(number);
            // Writing to a string does not fail.
            let _ = write!(
                config,
                "vrrp_instance {name} {{\n    interface {device}\n    state BACKUP\n    version 3\n    \
                 virtual_router_id {vrid}\n    priority {priority}\n    advert_int {interval}\n    \
                 virtual_ipaddress {{\n        198.18.{interface}.{vrid}\n    }}\n}}\n"
            );
        }
        config
    }
}

/// Of the instance with this number, from 0.
pub(crate) fn name(number: u16) -> String {
    format!("V{number}")
}
