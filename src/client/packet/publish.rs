//! PUBLISH, written.

use super::fields::{length_bytes, put_field, put_length};
use crate::scenario::Protocol;

/// Appends a PUBLISH of QoS 0 without a payload to a topic of at most 65 535 bytes.
pub fn put_probe(protocol: Protocol, topic: &[u8], out: &mut Vec<u8>) {
    // 5.0 has the length of its properties, of which there are none.
    let properties = usize::from(protocol == Protocol::V5);
    let length = 2 + topic.len() + properties;
    out.reserve(1 + length_bytes(length) + length);
    out.push(0x30);
    put_length(length, out);
    put_field(topic, out);
    out.extend(std::iter::repeat_n(0, properties));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::packet::{FixedHeader, Packet};

    #[test]
    fn a_probe_is_read_as_an_empty_message_in_both_versions() {
        for protocol in [Protocol::V4, Protocol::V5] {
            for topic in ["t".to_owned(), "long/".repeat(100)] {
                let mut packet = Vec::new();
                put_probe(protocol, topic.as_bytes(), &mut packet);
                let FixedHeader::Complete { head, length } = FixedHeader::read(&packet) else {
                    panic!("{packet:?}");
                };
                assert_eq!(length, packet.len());
                let Some(Packet::Publish(read)) = Packet::read(&packet, head, protocol) else {
                    panic!("{packet:?}");
                };
                assert_eq!((read.topic, read.payload, read.qos), (topic.as_bytes(), &b""[..], 0));
            }
        }
    }
}
