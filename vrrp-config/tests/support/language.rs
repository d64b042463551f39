//! A configuration among other files, as one node reads it.

use vrrp_config::{self as config, Loaded, Memory, Surroundings};

use super::{codes, instance};

/// Reads a file among others, as `node1`.
pub fn read(main: &str, others: &[(&str, &str)]) -> Loaded {
    read_bytes(main.as_bytes(), others)
}

pub fn read_bytes(main: &[u8], others: &[(&str, &str)]) -> Loaded {
    let file = |&(name, text): &(&str, &str)| (name.into(), text.as_bytes().to_vec());
    let mut host = Memory { files: others.iter().map(file).collect(), ..Memory::default() };
    host.files.insert("/etc/main.conf".into(), main.to_vec());
    host.environment.insert("OCTET".to_owned(), "77".to_owned());
    config::parse_in("/etc/main.conf", main, Surroundings { id: "node1", host: &host })
}

/// Lines in front, and lines in the list of addresses of the only instance.
pub fn with_list(before: &str, list: &str) -> String {
    format!(
        "{before}\nvrrp_instance VI_1 {{\ninterface eth0\nvirtual_router_id 51\nvirtual_ipaddress {{\n{list}\n}}\n}}\n"
    )
}

/// Last octets of the addresses in the order in which they arrive; there is nothing to remark on.
pub fn octets(before: &str, list: &str, others: &[(&str, &str)]) -> String {
    let loaded = read(&with_list(before, list), others);
    assert_eq!(codes(&loaded), [""; 0], "{}", loaded.render(false));
    octets_of(&loaded)
}

pub fn octets_of(loaded: &Loaded) -> String {
    let instance = &loaded.config.as_ref().unwrap().instances[0];
    let addresses = instance.addresses.iter().map(|address| address.address.to_string());
    let octets: Vec<String> =
        addresses.map(|text| text.rsplit('.').next().unwrap().to_owned()).collect();
    octets.join(" ")
}

/// The codes of what is said about some lines in front of an instance, and whether keepalived would
/// be clean, run, or not run: its exit code.
pub fn remarks(lines: &str, others: &[(&str, &str)]) -> (Vec<&'static str>, u8) {
    let loaded = read(&format!("{lines}\n{}", instance("")), others);
    (codes(&loaded), loaded.verdict().exit_code())
}

/// The name of the only instance, whose first line is given.
pub fn name(before: &str, line: &str) -> String {
    let rest = instance("").split_once('\n').unwrap().1.to_owned();
    let loaded = read(&format!("{before}\n{line}\n{rest}"), &[]);
    assert_eq!(codes(&loaded), [""; 0], "{}", loaded.render(false));
    loaded.config.unwrap().instances.remove(0).name
}

pub fn message(lines: &str, others: &[(&str, &str)]) -> String {
    let loaded = read(&format!("{lines}\n{}", instance("")), others);
    assert_eq!(loaded.diagnostics.len(), 1, "{}", loaded.render(false));
    loaded.diagnostics[0].message.clone()
}
