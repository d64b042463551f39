//! A gateway that translates to and from virtual addresses which accept nothing.

#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::{Duration, SystemTime},
};

use rig::{
    Capture, Daemon, Lab, Node, Router, VirtualRouter,
    tcp::{self, Server},
    wait_until,
};

const SETTLING: Duration = Duration::from_secs(15);
const SILENCE: Duration = Duration::from_millis(700);

/// The gateways' address for clients, and the one that servers see.
const INSIDE: Ipv4Addr = Lab::address(129);
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 129);
/// The network behind the gateways, for documentation by RFC 5737.
const BEHIND: &str = "198.51.100.0/24";
/// What goes there comes from [`OUTSIDE`].
const SNAT: &str = "ip daddr 198.51.100.0/24 snat to 198.51.100.129;";
const SERVER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 80);
const PORT: u16 = 8080;

/// Two gateways between the client and a server on the same wire. All that the client sends to the
/// server's network goes to [`INSIDE`], and the server sends everything to [`OUTSIDE`].
struct Site {
    routers: Vec<Router>,
    capture: Capture,
    _server: Server,
    lab: Lab,
}

impl Site {
    /// `nat` are the rules that both gateways have in a chain of type nat at `hook`, `extra` more
    /// lines for the virtual router.
    fn start(hook: &str, nat: &str, extra: &str) -> Self {
        let lab = Lab::new(3).unwrap();
        let (client, server) = (lab.client(), lab.node(2));
        for (gateway, host) in lab.nodes()[..2].iter().zip([11, 12]) {
            ip(gateway, &format!("addr add 198.51.100.{host}/24 dev eth0"));
            set(gateway, "ip_forward", "1");
            // Client and server share a wire, and are not to notice.
            for device in ["all", Node::INTERFACE] {
                set(gateway, &format!("conf/{device}/send_redirects"), "0");
            }
            let rules = format!(
                "table ip nat {{ chain translate {{ type nat hook {hook} priority 0; {nat}\n}}\n}}\n"
            );
            let file = gateway.dir().join("nat");
            fs::write(&file, rules).unwrap();
            gateway.run(&["nft", "-f", file.to_str().unwrap()]).unwrap();
        }
        ip(server, &format!("addr flush dev {}", Node::INTERFACE));
        ip(server, &format!("addr add {SERVER}/24 dev {}", Node::INTERFACE));
        ip(server, &format!("route add default via {OUTSIDE}"));
        ip(client, &format!("route add {BEHIND} via {INSIDE}"));
        let listening = Server::start(server, SERVER.into(), PORT).unwrap();

        let capture = Capture::start(client).unwrap();
        let routers: Vec<_> = [150, 100]
            .into_iter()
            .zip(lab.nodes())
            .map(|(priority, gateway)| {
                Router::start(gateway, Daemon::Xvrrp, &config(priority, extra)).unwrap()
            })
            .collect();
        let site = Self { routers, capture, _server: listening, lab };
        site.expect_gateway(0);
        site
    }

    fn client(&self) -> &Node {
        self.lab.client()
    }

    fn status(&self, gateway: usize) -> VirtualRouter {
        self.routers[gateway].status().unwrap().remove(0)
    }

    /// Gateway `index` is MASTER, with its rules in force, and the other one answers for nothing.
    fn expect_gateway(&self, index: usize) {
        for vip in [INSIDE, OUTSIDE] {
            self.lab.wait_for_answerer(&self.capture, vip, index, SETTLING).unwrap();
        }
        let has_both = || {
            let addresses = self.lab.node(index).addresses()?;
            Ok([INSIDE, OUTSIDE].iter().all(|vip| addresses.contains(&IpAddr::from(*vip))))
        };
        wait_until("the addresses", SETTLING, has_both).unwrap();
        assert!(self.status(index).acceptance.starts_with("no_accept ("));
        for vip in [INSIDE, OUTSIDE] {
            let to = SocketAddr::from((vip, PORT + 1));
            tcp::connect_within(self.client(), to, SILENCE).unwrap_err();
        }
        let ping = ["ping", "-c", "2", "-i", "0.2", "-W", "1", &INSIDE.to_string()];
        self.client().run(&ping).unwrap_err();
    }

    /// What `connect` does works through the first gateway, and after it has died through the
    /// second one.
    fn expect_through_both(&mut self, connect: impl Fn(&Node)) {
        connect(self.lab.client());
        connect(self.lab.client());
        let died = SystemTime::now();
        self.routers[0].crash().unwrap();
        self.routers[1].wait_for_state(died, "GATEWAY", "MASTER", SETTLING).unwrap();
        self.expect_gateway(1);
        connect(self.lab.client());
    }
}

fn config(priority: u8, extra: &str) -> String {
    format!(
        "vrrp_instance GATEWAY {{\n interface eth0\n virtual_router_id 51\n version 3\n \
         priority {priority}\n advert_int 0.2\n no_accept\n {extra}\n virtual_ipaddress {{\n  {INSIDE}/24\n  \
         {OUTSIDE}/24\n }}\n}}\n"
    )
}

fn ip(node: &Node, arguments: &str) {
    node.namespace().ip(&arguments.split(' ').collect::<Vec<_>>()).unwrap();
}

fn set(node: &Node, switch: &str, value: &str) {
    let write = || Ok(fs::write(format!("/proc/sys/net/ipv4/{switch}"), value)?);
    node.namespace().enter(write).unwrap();
}

/// Issue 3, R-6.4.3-06: a gateway forwards what is sent to its virtual router, and
/// accepts nothing at the addresses itself.
#[test]
fn forwarding() {
    let mut site = Site::start("postrouting", "", "");
    site.expect_through_both(|client| {
        let seen_as = tcp::connect(client, (SERVER, PORT).into()).unwrap();
        assert_eq!(seen_as, client.address());
    });
}

/// Issue 3: a gateway that translates to a virtual address which accepts nothing goes on working,
/// and so does its successor: the answers come to the virtual address.
#[test]
fn source_translation() {
    for extra in ["xdp_mode generic", "xdp_mode none"] {
        let mut site = Site::start("postrouting", SNAT, extra);
        site.expect_through_both(|client| {
            let seen_as = tcp::connect(client, (SERVER, PORT).into()).unwrap();
            assert_eq!(seen_as, OUTSIDE);
            client.run(&["ping", "-c", "2", "-i", "0.2", "-W", "2", &SERVER.to_string()]).unwrap();
        });
    }
}

/// Issue 3: `xdp_no_accept` is for hosts that do not translate. The kernel program sees the answers
/// before they are translated back, and drops them: what the firewall is there for.
#[test]
fn the_program_cannot_know_of_translation() {
    let site = Site::start("postrouting", SNAT, "xdp_mode generic\n xdp_no_accept on");
    tcp::connect_within(site.client(), (SERVER, PORT).into(), SILENCE).unwrap_err();
    assert!(site.status(0).counter("not_accepted") > 0);
}

/// Issue 3: a gateway that translates from a virtual address which accepts nothing goes on working,
/// and so does its successor: the client connects to the virtual address.
#[test]
fn destination_translation() {
    let nat = format!("ip daddr {INSIDE} tcp dport 80 dnat to {SERVER}:{PORT};");
    let mut site = Site::start("prerouting", &nat, "");
    site.expect_through_both(|client| {
        let seen_as = tcp::connect(client, (INSIDE, 80).into()).unwrap();
        assert_eq!(seen_as, client.address());
    });
}
