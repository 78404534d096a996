// SPDX-License-Identifier: Apache-2.0

/// The control packet types (section 2.1.2; 2.2.1 in MQTT 3.1.1).
package enum PacketType: UInt8, Sendable, CaseIterable {
    case connect = 1
    case connAck = 2
    case publish = 3
    case pubAck = 4
    case pubRec = 5
    case pubRel = 6
    case pubComp = 7
    case subscribe = 8
    case subAck = 9
    case unsubscribe = 10
    case unsubAck = 11
    case pingRequest = 12
    case pingResponse = 13
    case disconnect = 14
    /// MQTT 5 only.
    case auth = 15

    /// The low half of the first byte; nil for PUBLISH, whose flags mean something.
    package var requiredFlags: UInt8? {
        switch self {
        case .publish: nil
        case .pubRel, .subscribe, .unsubscribe: 0b0010
        default: 0
        }
    }

    /// Whether `sender` may send it at all in `version`.
    package func maySend(_ sender: Sender, _ version: ProtocolVersion) -> Bool {
        switch self {
        case .connect, .subscribe, .unsubscribe, .pingRequest: sender == .client
        case .connAck, .subAck, .unsubAck, .pingResponse: sender == .server
        case .disconnect: sender == .client || version == .v5
        case .auth: version == .v5
        case .publish, .pubAck, .pubRec, .pubRel, .pubComp: true
        }
    }
}
