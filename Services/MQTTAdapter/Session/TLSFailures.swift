// SPDX-License-Identifier: Apache-2.0
import Logging
import NIOCore
import NIOSSL

/// Counts TLS handshakes that failed, by listener and reason. The client has its alert by then (RFC 8446 section 6.2), and the connection ends.
final class TLSFailures: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    enum Reason: String {
        /// Expired, of another authority, or for another purpose.
        case certificateRefused = "certificate-refused"
        case certificateMissing = "certificate-missing"
        case other
    }

    private let broker: Broker
    private let listener: Listener.Kind

    init(broker: Broker, listener: Listener.Kind) {
        self.broker = broker
        self.listener = listener
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if case NIOSSLError.handshakeFailed(let failure) = error {
            broker.metrics.handshakeFailed(listener, Self.reason(failure))
            broker.logger.debug("TLS handshake failed", metadata: ["error": "\(failure)"])
        }
        context.fireErrorCaught(error)
    }

    /// NIOSSL has BoringSSL's reason as text only. What is not recognised counts as `other`: nothing else depends on it.
    private static func reason(_ error: BoringSSLError) -> Reason {
        guard case .sslError(let stack) = error else { return .other }
        let text = stack.map(\.description).joined()
        if text.contains("CERTIFICATE_VERIFY_FAILED") { return .certificateRefused }
        return text.contains("PEER_DID_NOT_RETURN_A_CERTIFICATE") ? .certificateMissing : .other
    }
}
