//! Why adverts are dropped.

/// Why an advert was dropped. The order is the order of the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum Reject {
    /// Not a sound IP header: version, or IPv4's header length or header checksum.
    IpHeader,
    /// A fragment.
    Fragment,
    /// The source address is nobody's: zero, broadcast or multicast; with IPv6 any that is
    /// not link-local, unless adverts are unicast.
    Source,
    /// The source address is our own: an echo of our advert, or another host with our address.
    OwnSource,
    /// Not sent to the group of the virtual router; of a unicast router, not to its address.
    Destination,
    /// TTL or hop limit other than 255 (R-5.1.1.3-02, R-5.1.2.3-02), unless adverts are unicast.
    Ttl,
    /// Another protocol version than ours (R-7.1-02).
    Version,
    /// Type other than ADVERTISEMENT (R-7.1-03).
    Type,
    /// Shorter than its address count says, or than the IP header says (R-7.1-04).
    Length,
    /// Wrong checksum (R-7.1-05).
    Checksum,
    /// No address (R-5.2.5-02, erratum 8299).
    CountZero,
    /// IPv6: the first address is not link-local (R-7.1-07, erratum 8300).
    FirstNotLinkLocal,
    /// Interval 0 (R-7.1-08, erratum 8301).
    IntervalZero,
    /// We own the addresses and ignore what others say of them (R-7.1-11, V-7.1-05).
    LocalOwner,
    /// Another authentication type than ours (V-5.3.6-01), or a signature of an unknown type.
    AuthType,
    /// `auth_hmac`: not signed.
    AuthMissing,
    /// `auth_hmac`: signed more than `time_window` ago, or from now.
    AuthTime,
    /// `auth_hmac`: signed with a key that is not ours.
    AuthKey,
    /// Wrong password (V-5.3.6.2-01), digest or signature.
    AuthData,
    /// The digest or signature is right, but it was sent before.
    Replay,
    /// v2: the address list is checked and differs, and the sender does not own it (V-7.1-09).
    AddressList,
    /// v2: another interval than ours (V-7.1-10).
    Interval,
    /// Unicast: from an address that is no peer's, keepalived's `check_unicast_src`.
    NotPeer,
    /// Unicast: TTL or hop limit outside of the peer's `min_ttl` and `max_ttl`.
    PeerTtl,
}

impl Reject {
    /// How many there are.
    pub const COUNT: usize = 24;

    /// All of them, in order.
    pub const ALL: [Self; Self::COUNT] = [
        Self::IpHeader,
        Self::Fragment,
        Self::Source,
        Self::OwnSource,
        Self::Destination,
        Self::Ttl,
        Self::Version,
        Self::Type,
        Self::Length,
        Self::Checksum,
        Self::CountZero,
        Self::FirstNotLinkLocal,
        Self::IntervalZero,
        Self::LocalOwner,
        Self::AuthType,
        Self::AuthMissing,
        Self::AuthTime,
        Self::AuthKey,
        Self::AuthData,
        Self::Replay,
        Self::AddressList,
        Self::Interval,
        Self::NotPeer,
        Self::PeerTtl,
    ];

    /// Name in counters (`rejected_<name>`) and events.
    pub const fn name(self) -> &'static str {
        match self {
            Self::IpHeader => "ip_header",
            Self::Fragment => "fragment",
            Self::Source => "source",
            Self::OwnSource => "own_source",
            Self::Destination => "destination",
            Self::Ttl => "ttl",
            Self::Version => "version",
            Self::Type => "type",
            Self::Length => "length",
            Self::Checksum => "checksum",
            Self::CountZero => "count_zero",
            Self::FirstNotLinkLocal => "first_not_link_local",
            Self::IntervalZero => "interval_zero",
            Self::LocalOwner => "local_owner",
            Self::AuthType => "auth_type",
            Self::AuthMissing => "auth_missing",
            Self::AuthTime => "auth_time",
            Self::AuthKey => "auth_key",
            Self::AuthData => "auth_data",
            Self::Replay => "replay",
            Self::Interval => "interval",
            Self::AddressList => "address_list",
            Self::NotPeer => "not_peer",
            Self::PeerTtl => "peer_ttl",
        }
    }

    /// What was wrong, for people.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::IpHeader => "damaged IP header",
            Self::Fragment => "a fragment",
            Self::Source => "its source is no address that adverts come from",
            Self::OwnSource => {
                "it comes from our own address: another host or daemon uses it, or something reflects our adverts"
            }
            Self::Destination => {
                "not sent to the address that this router listens to: one side is unicast, the other is not, or has another address or group"
            }
            Self::Ttl => "TTL is not 255: it was routed",
            Self::Version => "another VRRP version than ours",
            Self::Type => "not an advertisement",
            Self::Length => "too short",
            Self::Checksum => "wrong checksum",
            Self::CountZero => "no address",
            Self::FirstNotLinkLocal => "its first address is not link-local",
            Self::IntervalZero => "interval 0",
            Self::LocalOwner => "this router owns the addresses",
            Self::AuthType => "another authentication type than ours",
            Self::AuthMissing => "not signed",
            Self::AuthTime => "signed too long ago, or in the future: compare the clocks",
            Self::AuthKey => "signed with a key that is not ours",
            Self::AuthData => "wrong password, digest or signature",
            Self::Replay => "a replay: its number is not higher than the last one",
            Self::Interval => "another advert_int than ours",
            Self::AddressList => "other virtual addresses than ours",
            Self::NotPeer => "its source is no unicast_peer",
            Self::PeerTtl => "its TTL is outside of the min_ttl and max_ttl of the unicast_peer",
        }
    }
}
