//! What stands in braces.

/// What a pair of braces contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Block {
    /// Outside all braces.
    Root,
    GlobalDefs,
    Instance,
    Authentication,
    AuthHmac,
    SyncGroup,
    TrackGroup,
    GarpGroup,
    Script,
    TrackProcess,
    TrackFile,
    Bfd,
    Ssl,
    VirtualServer,
    RealServer,
    /// TCP_CHECK and PING_CHECK.
    PlainCheck,
    HttpCheck,
    Url,
    SmtpCheck,
    SmtpHost,
    MiscCheck,
    DnsCheck,
    UdpCheck,
    BfdCheck,
    FileCheck,
    // Lists: what stands in them are no keywords, but entries, one a line.
    Addresses,
    StaticAddresses,
    Routes,
    Rules,
    Peers,
    TrackedInterfaces,
    /// track_script and track_bfd.
    Tracked,
    /// track_file and track_process.
    TrackedFiles,
    Members,
    Interfaces,
    Linkbeat,
    UpDownDelays,
    Emails,
    ServerGroup,
}

impl Block {
    /// How users know it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Root => "the file outside all blocks",
            Self::GlobalDefs => "global_defs",
            Self::Instance => "vrrp_instance",
            Self::Authentication => "authentication",
            Self::AuthHmac => "auth_hmac",
            Self::SyncGroup => "vrrp_sync_group",
            Self::TrackGroup => "track_group",
            Self::GarpGroup => "garp_group",
            Self::Script => "vrrp_script",
            Self::TrackProcess => "vrrp_track_process",
            Self::TrackFile => "track_file",
            Self::Bfd => "bfd_instance",
            Self::Ssl => "SSL",
            Self::VirtualServer => "virtual_server",
            Self::RealServer => "real_server",
            Self::PlainCheck => "TCP_CHECK",
            Self::HttpCheck => "HTTP_GET",
            Self::Url => "url",
            Self::SmtpCheck => "SMTP_CHECK",
            Self::SmtpHost => "host",
            Self::MiscCheck => "MISC_CHECK",
            Self::DnsCheck => "DNS_CHECK",
            Self::UdpCheck => "UDP_CHECK",
            Self::BfdCheck => "BFD_CHECK",
            Self::FileCheck => "FILE_CHECK",
            Self::Addresses => "virtual_ipaddress",
            Self::StaticAddresses => "static_ipaddress",
            Self::Routes => "virtual_routes",
            Self::Rules => "virtual_rules",
            Self::Peers => "unicast_peer",
            Self::TrackedInterfaces => "track_interface",
            Self::Tracked => "track_script",
            Self::TrackedFiles => "track_process",
            Self::Members => "group",
            Self::Interfaces => "interfaces",
            Self::Linkbeat => "linkbeat_interfaces",
            Self::UpDownDelays => "interface_up_down_delays",
            Self::Emails => "notification_email",
            Self::ServerGroup => "virtual_server_group",
        }
    }

    /// True for lists, whose lines are entries instead of statements.
    pub(crate) const fn is_list(self) -> bool {
        self as u8 >= Self::Addresses as u8
    }
}
