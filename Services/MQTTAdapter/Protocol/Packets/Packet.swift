// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// Any control packet, as an owned value.
package enum Packet: Equatable, Sendable {
    case connect(Connect)
    case connAck(ConnAck)
    case publish(Publish)
    case pubAck(Acknowledgement)
    case pubRec(Acknowledgement)
    case pubRel(Acknowledgement)
    case pubComp(Acknowledgement)
    case subscribe(Subscribe)
    case subAck(SubscriptionAcknowledgement)
    case unsubscribe(Unsubscribe)
    case unsubAck(SubscriptionAcknowledgement)
    case pingRequest
    case pingResponse
    case disconnect(Disconnect)
    case auth(Auth)

    package var type: PacketType {
        switch self {
        case .connect: .connect
        case .connAck: .connAck
        case .publish: .publish
        case .pubAck: .pubAck
        case .pubRec: .pubRec
        case .pubRel: .pubRel
        case .pubComp: .pubComp
        case .subscribe: .subscribe
        case .subAck: .subAck
        case .unsubscribe: .unsubscribe
        case .unsubAck: .unsubAck
        case .pingRequest: .pingRequest
        case .pingResponse: .pingResponse
        case .disconnect: .disconnect
        case .auth: .auth
        }
    }

    /// Decodes the packet that `head` is of.
    ///
    /// - Parameters:
    ///   - bytes: the whole packet, at least.
    ///   - version: CONNECT brings its own.
    package init(
        _ bytes: UnsafeRawBufferPointer, head: PacketHead, version: ProtocolVersion, from sender: Sender
    ) throws(Violation) {
        guard head.type.maySend(sender, version) else { throw .wrongDirection }
        var reader = PacketReader(bytes, head.length..<head.packetLength)
        guard reader.end == head.packetLength else { throw .truncated }
        switch head.type {
        case .connect: self = .connect(try Connect(&reader, head: head))
        case .connAck: self = .connAck(try ConnAck(&reader, version))
        case .publish:
            self = .publish(try Publish(PublishView(bytes, head: head, version: version, from: sender)))
            reader.skipToEnd()
        case .pubAck: self = .pubAck(try Acknowledgement(&reader, head.type, version))
        case .pubRec: self = .pubRec(try Acknowledgement(&reader, head.type, version))
        case .pubRel: self = .pubRel(try Acknowledgement(&reader, head.type, version))
        case .pubComp: self = .pubComp(try Acknowledgement(&reader, head.type, version))
        case .subscribe: self = .subscribe(try Subscribe(&reader, version))
        case .subAck: self = .subAck(try SubscriptionAcknowledgement(&reader, head.type, version))
        case .unsubscribe: self = .unsubscribe(try Unsubscribe(&reader, version))
        case .unsubAck: self = .unsubAck(try SubscriptionAcknowledgement(&reader, head.type, version))
        case .pingRequest: self = .pingRequest
        case .pingResponse: self = .pingResponse
        case .disconnect: self = .disconnect(try Disconnect(&reader, version, sender))
        case .auth: self = .auth(try Auth(&reader, sender))
        }
        try reader.finish()
    }
}
