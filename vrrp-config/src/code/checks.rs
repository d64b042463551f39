//! Checks that keepalived does not do.

use super::{Explanation, Kind, error, hint, warning};

// What keepalived does not look at: virtual routers of one file that do not go together.
codes! { CROSS;
    SHARED_ADDRESS = warning("W0170"):
        "Two virtual routers have one address. Whichever becomes BACKUP removes it from under the \
         other.",
        "virtual_ipaddress {    # of VI_1 and of VI_2\n    192.0.2.10\n}" =>
        "virtual_ipaddress {    # of VI_1 only\n    192.0.2.10\n}";
    OWN_ADDRESS = warning("W0171"):
        "A virtual address is the own address of a host, from which it sends adverts. It is there \
         whoever is MASTER.",
        "unicast_src_ip 192.0.2.10\nvirtual_ipaddress {\n    192.0.2.10\n}" =>
        "unicast_src_ip 192.0.2.1\nvirtual_ipaddress {\n    192.0.2.10\n}";
    NO_HOST_ADDRESS = warning("W0172"):
        "No host can have this address: it is a multicast, loopback or broadcast address, or the \
         number of a subnet. It is used all the same.",
        "virtual_ipaddress {\n    192.0.2.0/24\n}" => "virtual_ipaddress {\n    192.0.2.10/24\n}";
    OWNER_BY_STATE = warning("W0173"):
        "`state MASTER` without a priority makes it 255. That is for the owner of the addresses: no \
         tracker lowers it, and there must not be another one.",
        "state MASTER" => "state MASTER\npriority 150";
    UNREACHABLE = warning("W0174"):
        "Strict mode goes by the RFCs: unless the host owns the addresses, they accept no packets. \
         Neither ping nor a service on this host is reached at them.",
        "global_defs {\n    vrrp_strict\n}" => "global_defs {\n}";
    SHARED_MAC = warning("W0175"):
        "Two virtual routers of one interface have one virtual MAC. With different hosts as MASTER, \
         both use it, and switches send the frames of one to the other.",
        "use_vmac 02:00:00:00:00:01" => "use_vmac 02:00:00:00:00    # the sixth is the virtual_router_id";
    NOPREEMPT_WEIGHT = hint("H0176"):
        "A weight lowers a priority so that another node takes over, which one with nopreempt does \
         not do while the MASTER lives. With nopreempt on all nodes, no failing script moves anything.",
        "nopreempt\ntrack_script {\n    chk weight -20\n}" => "nopreempt\ntrack_script {\n    chk weight 0    # FAULT\n}";
    CLAMPED = hint("H0177"):
        "Trackers move a priority between 1 and 254. What is beyond makes no difference, perhaps not \
         to another node, either.",
        "priority 250\ntrack_script {\n    chk weight 20\n}" => "priority 150\ntrack_script {\n    chk weight 20\n}";
    UNUSED = hint("H0178"):
        "A script, file or process is defined, and no virtual router tracks it.",
        "vrrp_script chk {\n    script /bin/true\n}" => "track_script {    # in a vrrp_instance\n    chk\n}";
    LONG_TIMEOUT = hint("H0179"):
        "A script may run longer than its interval. keepalived leaves out what is due meanwhile; with xvrrp a run that long has failed.",
        "interval 1\ntimeout 5" => "interval 5\ntimeout 5";
}

// Files of several nodes. Each would run, but they cannot elect, or move the wrong things.
codes! { TOGETHER;
    VERSIONS_DIFFER = error("E0180"):
        "Two nodes speak different versions of VRRP. Each drops the other's adverts: both become \
         MASTER.",
        "version 2    # a.conf\nversion 3    # b.conf" => "version 3    # both";
    AUTH_DIFFERS = error("E0181"):
        "Two nodes authenticate differently. Each drops the other's adverts: both become MASTER.",
        "auth_pass one    # a.conf\nauth_pass two    # b.conf" => "auth_pass one    # both";
    INTERVALS_DIFFER = error("E0182"):
        "Two nodes with version 2 have different intervals. Each drops the other's adverts: both \
         become MASTER.",
        "advert_int 1    # a.conf\nadvert_int 2    # b.conf" => "advert_int 1    # both";
    DESTINATIONS_DIFFER = error("E0183"):
        "Two nodes send where the other does not listen: to another group, or one to a group and the \
         other to unicast peers. Both become MASTER.",
        "mcast_dst_ip 224.0.0.19    # a.conf only" => "mcast_dst_ip 224.0.0.19    # both";
    PEERS_DIFFER = error("E0184"):
        "The unicast peers of a node leave out another one, or two nodes send from one address. Who \
         gets no adverts becomes MASTER.",
        "unicast_src_ip 192.0.2.1    # a.conf\nunicast_peer { 192.0.2.3 }" =>
        "unicast_src_ip 192.0.2.1    # a.conf\nunicast_peer { 192.0.2.2 }    # unicast_src_ip of b.conf";
    ADDRESSES_DIFFER = error("E0185"):
        "Two nodes have different virtual addresses. keepalived up to 2.3.2 refuses adverts with others \
         than its own, and both become MASTER; later ones do not move what they do not have.",
        "virtual_ipaddress {    # a.conf only\n    192.0.2.10\n    192.0.2.11\n}" =>
        "virtual_ipaddress {    # both\n    192.0.2.10\n    192.0.2.11\n}";
    CHECKSUMS_DIFFER = error("E0186"):
        "One node refuses the form of checksum that the other sends. Both become MASTER.",
        "v3_checksum_as_v2                      # a.conf\nxdp_believe_checksum pseudo_header    # b.conf" =>
        "v3_checksum_as_v2    # both";
    TWO_OWNERS = error("E0187"):
        "Two nodes have priority 255, which is for the one that owns the addresses. An owner never \
         gives way for good.",
        "priority 255    # both" => "priority 255    # a.conf\npriority 100    # b.conf";
    VRIDS_DIFFER = error("E0188"):
        "Two files give one address to different virtual routers, which do not know of each other: \
         both become MASTER, and two hosts have the address.",
        "virtual_router_id 51    # a.conf\nvirtual_router_id 52    # b.conf" =>
        "virtual_router_id 51    # both";
    GROUP_UNSETTLED = error("E0189"):
        "The members of a sync group are MASTER on one host, all or none. Here one node is preferred \
         for one of them, another node for another: none comes to rest.",
        "priority 150    # VI_1 of a.conf, VI_2 of b.conf\npriority 100    # VI_2 of a.conf, VI_1 of b.conf" =>
        "priority 150    # VI_1 and VI_2 of a.conf\npriority 100    # VI_1 and VI_2 of b.conf";
    ONE_NODE = warning("W0190"):
        "A virtual router is in one file only: nobody takes over from it.",
        "virtual_router_id 51    # a.conf only" => "virtual_router_id 51    # both";
    MOVED_DIFFER = warning("W0191"):
        "Two nodes elect well, but do not have the same addresses when they are MASTER.",
        "virtual_ipaddress_excluded {    # a.conf only\n    192.0.2.10\n}" =>
        "virtual_ipaddress_excluded {    # both\n    192.0.2.10\n}";
    NEVER_FAILS_OVER = warning("W0192"):
        "All nodes have nopreempt, and a script that only lowers a priority: no node takes over from \
         a MASTER that lives.",
        "nopreempt    # both\ntrack_script {\n    chk weight -60\n}" =>
        "nopreempt    # both\ntrack_script {\n    chk    # FAULT\n}";
    IDLE_WEIGHT = warning("W0193"):
        "The priorities of the nodes are so far apart that no weight changes their order.",
        "priority 150                # a.conf, 100 in b.conf\ntrack_script {\n    chk weight -20\n}" =>
        "priority 110                # a.conf, 100 in b.conf\ntrack_script {\n    chk weight -20\n}";
    SYNC_GROUPS_DIFFER = warning("W0194"):
        "Virtual routers that one node keeps together may part on another. Then the first one is \
         MASTER of none of them, and one of them has no MASTER.",
        "vrrp_sync_group G {    # a.conf only\n    group {\n        VI_1\n        VI_2\n    }\n}" =>
        "vrrp_sync_group G {    # both\n    group {\n        VI_1\n        VI_2\n    }\n}";
    SAME_PRIORITY = hint("H0195"):
        "Two nodes have one priority. The one with the higher address wins, and takes over from the \
         other, too.",
        "priority 100    # both" => "priority 110    # a.conf\npriority 100    # b.conf";
    NODES_DIFFER = hint("H0199"):
        "Nodes differ in something that they need not have in common, but that does something else \
         than it seems.",
        "nopreempt    # in the file of the lower priority" =>
        "nopreempt    # in the file of the higher priority";
}

// What depends on the host.
codes! { HOST;
    NO_PROGRAM = warning("W0196"):
        "This host does not have a program that the file names, or may not run it. keepalived does \
         without a tracked script that it does not find.",
        "script /usr/local/bin/chek.sh" => "script /usr/local/bin/check.sh";
    NO_SUCH_INTERFACE = hint("H0197"):
        "This host has no interface of that name. On the host that the file is for, the virtual router \
         waits in FAULT until there is one.",
        "interface eth0" => "interface ens3";
    OUTSIDE_SUBNETS = hint("H0198"):
        "A virtual address belongs to no subnet of its interface. Hosts there send to it only if they \
         have a route.",
        "virtual_ipaddress {    # eth0 has 192.0.2.1/24\n    198.51.100.10\n}" =>
        "virtual_ipaddress {    # eth0 has 192.0.2.1/24\n    192.0.2.10\n}";
}
