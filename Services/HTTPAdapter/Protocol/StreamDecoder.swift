// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOHPACK
import NIOHTTP1
import NIOHTTP2

/// Makes a request of a stream's frames, in the parts that NIO's HTTP/1.1 decoder makes. NIO has checked the header fields by RFC 9113 section 8.
final class StreamDecoder: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame.FramePayload
    typealias InboundOut = HTTPServerRequestPart

    private var hasHead = false

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .headers(let frame):
            // Trailers say nothing that a message needs.
            if !hasHead {
                hasHead = true
                context.fireChannelRead(wrapInboundOut(.head(Self.head(frame.headers))))
            }
            if frame.endStream { context.fireChannelRead(wrapInboundOut(.end(nil))) }
        case .data(let frame):
            if case .byteBuffer(let piece) = frame.data, piece.readableBytes > 0 {
                context.fireChannelRead(wrapInboundOut(.body(piece)))
            }
            if frame.endStream { context.fireChannelRead(wrapInboundOut(.end(nil))) }
        case .priority, .rstStream, .settings, .pushPromise, .ping, .goAway, .windowUpdate, .alternativeService,
            .origin:
            break
        }
    }

    private static func head(_ fields: HPACKHeaders) -> HTTPRequestHead {
        var method = ""
        // CONNECT has none (RFC 9113 section 8.5); no path of ours is empty.
        var path = ""
        var headers = HTTPHeaders()
        headers.reserveCapacity(fields.count)
        for (name, value, _) in fields {
            switch name {
            case ":method": method = value
            case ":path": path = value
            case ":authority": headers.add(name: "host", value: value)
            // Beside ":authority" it says the same, or is none of ours.
            case "host" where fields.contains(name: ":authority"): break
            case let name where name.hasPrefix(":"): break
            default: headers.add(name: name, value: value)
            }
        }
        return HTTPRequestHead(
            version: .http2, method: HTTPMethod(rawValue: method), uri: path, headers: headers)
    }
}
