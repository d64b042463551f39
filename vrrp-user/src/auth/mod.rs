//! Authentication that only user space can check: the IP authentication header of VRRPv2 ([`ah`])
//! and the signature that keepalived 2.4 puts behind adverts, `auth_hmac` ([`trailer`]). Plain
//! passwords are the ladder's.
//!
//! Both have a number in each advert that only grows, so that an advert that was recorded is refused
//! when it is sent again. What has been heard is remembered for each sender, and only senders that
//! know the key are remembered. Nothing is allocated after the start.

pub mod ah;
mod sequence;
pub mod trailer;

pub use sequence::Sequence;
