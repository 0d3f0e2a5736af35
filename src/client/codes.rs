//! The names of the codes by which brokers answer CONNECT and AUTH, or end a connection.

/// Reason codes of MQTT 5.0 (2.4): those of CONNACK, DISCONNECT and AUTH.
const REASONS: [(u8, &str); 34] = [
    (0x00, "Success"),
    (0x18, "Continue authentication"),
    (0x19, "Re-authenticate"),
    (0x80, "Unspecified error"),
    (0x81, "Malformed Packet"),
    (0x82, "Protocol Error"),
    (0x83, "Implementation specific error"),
    (0x84, "Unsupported Protocol Version"),
    (0x85, "Client Identifier not valid"),
    (0x86, "Bad User Name or Password"),
    (0x87, "Not authorized"),
    (0x88, "Server unavailable"),
    (0x89, "Server busy"),
    (0x8A, "Banned"),
    (0x8B, "Server shutting down"),
    (0x8C, "Bad authentication method"),
    (0x8D, "Keep Alive timeout"),
    (0x8E, "Session taken over"),
    (0x8F, "Topic Filter invalid"),
    (0x90, "Topic Name invalid"),
    (0x93, "Receive Maximum exceeded"),
    (0x94, "Topic Alias invalid"),
    (0x95, "Packet too large"),
    (0x96, "Message rate too high"),
    (0x97, "Quota exceeded"),
    (0x98, "Administrative action"),
    (0x99, "Payload format invalid"),
    (0x9A, "Retain not supported"),
    (0x9B, "QoS not supported"),
    (0x9C, "Use another server"),
    (0x9D, "Server moved"),
    (0x9F, "Connection rate exceeded"),
    (0xA0, "Maximum connect time"),
    (0xA2, "Wildcard Subscriptions not supported"),
];

/// Return codes of a CONNACK of MQTT 3.1.1 (3.2.2.3).
const RETURNS: [(u8, &str); 6] = [
    (0, "Connection Accepted"),
    (1, "unacceptable protocol version"),
    (2, "identifier rejected"),
    (3, "Server unavailable"),
    (4, "bad user name or password"),
    (5, "not authorized"),
];

/// The name of a code that a broker sent, in the words of the standard; none where that has no such code.
pub fn name(byte: u8, protocol: u8) -> Option<&'static str> {
    let known = if protocol == 5 || byte >= 0x80 { &REASONS[..] } else { &RETURNS[..] };
    known.iter().find(|(known, _)| *known == byte).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_stand_in_order_and_once() {
        assert!(REASONS.is_sorted_by(|a, b| a.0 < b.0) && RETURNS.is_sorted_by(|a, b| a.0 < b.0));
    }
}
