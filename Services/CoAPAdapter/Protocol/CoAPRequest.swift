// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// How a message came.
package enum CoAPTransport: String, Sendable, CaseIterable {
    case udp
    case dtls
    case tcp
    case tls

    /// RFC 8323: no message types and identifiers, nothing is retransmitted.
    package var isReliable: Bool { self == .tcp || self == .tls }
    package var isSecure: Bool { self == .dtls || self == .tls }
}

/// A request as it came in.
package struct CoAPRequest: Sendable {
    /// nil: a method that nobody has defined.
    package var method: CoAPMethod?
    package var transport: CoAPTransport
    package var peer: PeerAddress
    /// Distinguishes the security associations and connections of one address; 0 over UDP.
    package var session: UInt64
    /// By what the other side has shown who it is when the association was made.
    package var proof: SecureProof?
    package var isConfirmable: Bool
    /// Means nothing over a reliable transport.
    package var messageID: UInt16
    package var token: CoAPToken
    package var options: CoAPOptions
    package var payload: ByteBuffer

    package init(
        method: CoAPMethod?, transport: CoAPTransport, peer: PeerAddress, session: UInt64, proof: SecureProof? = nil,
        isConfirmable: Bool, messageID: UInt16, token: CoAPToken, options: CoAPOptions, payload: ByteBuffer
    ) {
        self.method = method
        self.transport = transport
        self.peer = peer
        self.session = session
        self.proof = proof
        self.isConfirmable = isConfirmable
        self.messageID = messageID
        self.token = token
        self.options = options
        self.payload = payload
    }
}

/// The options of a request that mean something here; those that may be left out and are not known are (RFC 7252 section 5.4.1). What must be
/// understood and is not, is refused by the library before.
package struct CoAPOptions: Sendable, Equatable {
    /// Of Uri-Path options, not percent-encoded.
    package var path: [[UInt8]] = []
    /// Of Uri-Query options, not percent-encoded.
    package var query: [[UInt8]] = []
    package var contentFormat: UInt16?
    package var accept: UInt16?
    /// As a client sends them in a GET: what it has already.
    package var eTags: [[UInt8]] = []
    package var observe: UInt32?
    package var block1: CoAPBlock?
    package var block2: CoAPBlock?
    package var size1: UInt32?
    package var echo: [UInt8]?
    /// Bit 1 stands for class 2, bit 3 for class 4, bit 4 for class 5 (RFC 7967 section 2.1).
    package var noResponse: UInt8?
    /// If-Match or If-None-Match.
    package var isConditional = false
    /// About what all of them take in a message.
    package private(set) var size = 0
    /// The first that cannot be read and had to be: its number.
    package var malformed: UInt16?

    package init() {}

    /// Takes one option of a message.
    package mutating func add(_ number: UInt16, _ value: UnsafeRawBufferPointer) {
        size += 1 + (value.count < 13 ? 0 : 1) + value.count
        switch number {
        case CoAPOption.Number.uriPath: path.append(Array(value))
        case CoAPOption.Number.uriQuery: query.append(Array(value))
        case CoAPOption.Number.contentFormat: contentFormat = read(number, value, before: contentFormat)
        case CoAPOption.Number.accept: accept = read(number, value, before: accept)
        case CoAPOption.Number.eTag:
            // 1 to 8 bytes; as it may be left out, one of another length is (RFC 7252 section 5.4.3).
            if (1...8).contains(value.count) { eTags.append(Array(value)) }
        case CoAPOption.Number.observe: if value.count <= 3 { observe = CoAPOption.uint(value) }
        case CoAPOption.Number.block1: block1 = read(number, value, before: block1)
        case CoAPOption.Number.block2: block2 = read(number, value, before: block2)
        case CoAPOption.Number.size1: size1 = CoAPOption.uint(value)
        case CoAPOption.Number.echo: if (1...40).contains(value.count) { echo = Array(value) }
        case CoAPOption.Number.noResponse: if value.count <= 1 { noResponse = value.first ?? 0 }
        case CoAPOption.Number.ifMatch, CoAPOption.Number.ifNoneMatch: isConditional = true
        default: break
        }
    }

    private mutating func read(_ number: UInt16, _ value: UnsafeRawBufferPointer, before: UInt16?) -> UInt16? {
        guard before == nil, value.count <= 2, let uint = CoAPOption.uint(value) else {
            malformed = malformed ?? number
            return before
        }
        return UInt16(truncatingIfNeeded: uint)
    }

    private mutating func read(_ number: UInt16, _ value: UnsafeRawBufferPointer, before: CoAPBlock?) -> CoAPBlock? {
        guard before == nil, value.count <= 3, let uint = CoAPOption.uint(value) else {
            malformed = malformed ?? number
            return before
        }
        return CoAPBlock(uint)
    }

    /// Whether a response of this code is not wanted (RFC 7967).
    package func suppresses(_ code: CoAPCode) -> Bool {
        guard let noResponse, (1...5).contains(code.codeClass) else { return false }
        return noResponse & (1 << (code.codeClass - 1)) != 0
    }
}
