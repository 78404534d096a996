// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// In front of the decoder: tells the connection that bytes arrive, so that a head that trickles in has a deadline of its own, and recognises HTTP/2 by its
/// connection preface (RFC 9113 section 3.4), which is no request of HTTP/1.1.
final class ArrivalHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private static let preface = ByteBuffer(string: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")

    /// From `undecided` to one of the others, once.
    private enum State {
        /// Nothing has come that is not the beginning of the preface; it waits here, 23 bytes at most.
        case undecided(ByteBuffer)
        case http1
        /// What has come waits until HTTP/2 has taken the connection over.
        case http2(ByteBuffer)
    }

    private let connection: ConnectionHandler
    private var state = State.undecided(ByteBuffer())

    init(_ connection: ConnectionHandler) { self.connection = connection }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        connection.bytesArrived()
        if case .http1 = state { return context.fireChannelRead(data) }
        var held = takeHeld()
        held.writeImmutableBuffer(unwrapInboundIn(data))
        if case .http2 = state {
            state = .http2(held)
            return
        }
        let length = min(held.readableBytes, Self.preface.readableBytes)
        if held.readableBytesView.prefix(length) != Self.preface.readableBytesView.prefix(length) {
            state = .http1
            context.fireChannelRead(wrapInboundOut(held))
        } else if length < Self.preface.readableBytes {
            state = .undecided(held)
        } else {
            state = .http2(held)
            connection.becomeHTTP2(behind: self)
        }
    }

    /// What has arrived and was not passed on.
    func takeHeld() -> ByteBuffer {
        switch state {
        case .undecided(let held):
            state = .undecided(ByteBuffer())
            return held
        case .http1: return ByteBuffer()
        case .http2(let held):
            state = .http2(ByteBuffer())
            return held
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // Nothing more will decide it: the decoder says what is wrong with a request that is cut off.
        if case .some(.inputClosed) = event as? ChannelEvent, case .undecided(let held) = state, held.readableBytes > 0
        {
            state = .http1
            context.fireChannelRead(wrapInboundOut(held))
        }
        context.fireUserInboundEventTriggered(event)
    }
}
