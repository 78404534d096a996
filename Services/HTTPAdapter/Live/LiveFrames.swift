// SPDX-License-Identifier: Apache-2.0
import Messaging
import NIOCore
import NIOWebSocket

/// One message as bytes: made once for each form, when first wanted, and shared by all who listen in it.
struct LiveFrames {
    private let message: LiveMessage
    private var document: ByteBuffer?
    private var bare: ByteBuffer?
    private var envelope: ByteBuffer?
    private var event: ByteBuffer?

    init(_ message: LiveMessage) { self.message = message }

    mutating func frame(_ format: LiveFormat) -> ByteBuffer {
        switch format {
        case .bare:
            if let bare { return bare }
            let frame = Self.bareFrame(message)
            bare = frame
            return frame
        case .envelope:
            if let envelope { return envelope }
            let frame = WebSocketFraming.frame(.text, makeDocument())
            envelope = frame
            return frame
        case .events:
            if let event { return event }
            let frame = EventStream.event(nil, id: message.sequence, data: makeDocument())
            event = frame
            return frame
        }
    }

    private mutating func makeDocument() -> ByteBuffer {
        if let document { return document }
        let made = LiveDocument.message(message)
        document = made
        return made
    }

    /// Text frames must be UTF-8 (RFC 6455 section 5.6): what is text by its type, and is so in truth, goes as text.
    private static func bareFrame(_ message: LiveMessage) -> ByteBuffer {
        let isText: Bool
        switch message.view.contentType {
        case .json, .senmlJSON: isText = true
        case .senmlCBOR, .octetStream: isText = false
        case .other(let mediaType): isText = mediaType.hasPrefix("text/") || mediaType.hasSuffix("+json")
        }
        let isUTF8 = isText && message.view.withPayload(UTF8Validation.isValid)
        return WebSocketFraming.frame(isUTF8 ? .text : .binary, message.view.payload)
    }

    /// - Returns: nil where the form has no way to say it.
    static func gap(_ gap: LiveGap, _ format: LiveFormat) -> ByteBuffer? {
        switch format {
        case .bare: nil
        case .envelope: WebSocketFraming.frame(.text, LiveDocument.gap(gap))
        case .events: EventStream.event("gap", id: gap.next &- 1, data: LiveDocument.gap(gap))
        }
    }
}
