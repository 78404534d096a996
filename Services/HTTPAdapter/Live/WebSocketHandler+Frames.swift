// SPDX-License-Identifier: Apache-2.0
import Messaging
import NIOCore
import NIOWebSocket

/// What arrives: frames, put together to messages.
extension WebSocketHandler {
    func arrived(_ bytes: Int) {
        unparsedBytes += bytes
        pongDeadline = nil
        pingDue = .now() + loop.live.limits.keepAliveInterval
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let frame = unwrapInboundIn(data)
        unparsedBytes -= min(unparsedBytes, Self.wireBytes(frame))
        switch phase {
        case .open: take(frame)
        case .closing: if frame.opcode == .connectionClose { finishClosing() }
        case .lingering, .closed: break
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        hold()
        context.fireChannelReadComplete()
    }

    /// Head, mask and content of a client's frame.
    private static func wireBytes(_ frame: WebSocketFrame) -> Int {
        let length = frame.length
        return length + 6 + (length < 126 ? 0 : length < 65_536 ? 2 : 8)
    }

    private func take(_ frame: WebSocketFrame) {
        // RFC 6455 sections 5.1 and 5.2: masked, and no extension was agreed on.
        guard frame.maskKey != nil else { return close(.protocolError, "frame-not-masked") }
        guard !frame.rsv1, !frame.rsv2, !frame.rsv3 else { return close(.protocolError, "reserved-bit") }
        switch frame.opcode {
        case .text, .binary:
            guard assembly == nil else { return close(.protocolError, "message-within-message") }
            take(Assembly(opcode: frame.opcode, payload: frame.unmaskedData), isLast: frame.fin)
        case .continuation:
            guard var assembly else { return close(.protocolError, "continuation-of-nothing") }
            self.assembly = nil
            guard assembly.payload.readableBytes + frame.length <= maximumMessageBytes else {
                return close(.tooBig, "payload-too-large")
            }
            assembly.payload.writeImmutableBuffer(frame.unmaskedData)
            take(assembly, isLast: frame.fin)
        case .ping: outlet.send(WebSocketFraming.frame(.pong, frame.unmaskedData))
        // Whatever arrives shows that the client is there.
        case .pong: break
        case .connectionClose: closed(byClient: frame.unmaskedData)
        default: close(.protocolError, "opcode")
        }
    }

    private func take(_ message: Assembly, isLast: Bool) {
        guard isLast else {
            assembly = message
            return
        }
        if message.opcode == .text {
            // RFC 6455 section 8.1.
            let isText = message.payload.withUnsafeReadableBytes(UTF8Validation.isValid)
            guard isText else { return close(.invalidPayload, "text-not-utf8") }
        }
        if isEnvelope {
            guard message.opcode == .text else { return close(.unacceptable, "binary-in-json-subprotocol") }
            take(command: message.payload)
        } else {
            publish(message.payload)
        }
    }

    /// Counts what this connection keeps of a message that is not complete, and bounds it with all others of the event loop.
    func hold() {
        let held = unparsedBytes + (assembly?.payload.readableBytes ?? 0)
        loop.heldBytes += held - heldBytes
        let grew = held > heldBytes
        heldBytes = held
        if held == 0 {
            messageDeadline = nil
        } else if messageDeadline == nil {
            messageDeadline = .now() + loop.live.limits.messageTimeout
        }
        if grew, phase == .open, loop.heldBytes > loop.limits.maximumHeldBytes {
            close(.tryAgainLater, "overloaded")
        }
    }
}
