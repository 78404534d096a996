// SPDX-License-Identifier: Apache-2.0
import Core

extension DevicePath {
    /// Reads what a message is published on.
    ///
    /// Empty elements are dropped, as in Mainflux; a percent-encoded slash separates like a bare one (proxies decode it on the way).
    public static func publish(
        _ bytes: UnsafeRawBufferPointer, notation: PathNotation
    ) throws(PathError) -> DevicePath {
        try parse(bytes, notation: notation, isFilter: false)
    }

    public static func publish(_ text: String, notation: PathNotation) throws(PathError) -> DevicePath {
        try parse(text, notation: notation, isFilter: false)
    }

    /// Reads what a subscription asks for: in MQTT topics `+` and `#` are wildcards; in the other notations `*` and `>` (Mainflux) as well.
    public static func subscribe(
        _ bytes: UnsafeRawBufferPointer, notation: PathNotation
    ) throws(PathError) -> DevicePath {
        try parse(bytes, notation: notation, isFilter: true)
    }

    public static func subscribe(_ text: String, notation: PathNotation) throws(PathError) -> DevicePath {
        try parse(text, notation: notation, isFilter: true)
    }

    private static func parse(
        _ text: String, notation: PathNotation, isFilter: Bool
    ) throws(PathError) -> DevicePath {
        var text = text
        let result = text.withUTF8 { bytes -> Result<DevicePath, PathError> in
            do throws(PathError) {
                return .success(try parse(UnsafeRawBufferPointer(bytes), notation: notation, isFilter: isFilter))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    private static func parse(
        _ bytes: UnsafeRawBufferPointer, notation: PathNotation, isFilter: Bool
    ) throws(PathError) -> DevicePath {
        var elements = PathElements(bytes, notation: notation)
        guard var first = elements.next() else { throw .unknownPath }
        if notation == .http, equals(first, "http") {
            guard let second = elements.next() else { throw .unknownPath }
            first = second
        }
        if equals(first, "channels") {
            let channel = try channel(elements.next())
            guard let word = elements.next(), equals(word, "messages") else { throw .unknownPath }
            let contentType = notation == .mqtt ? takeContentType(&elements) : nil
            let tail = try SubtopicBuilder.dotted(elements.rest, notation: notation, isFilter: isFilter)
            return .messages(
                MessagePath(
                    channel: channel, subtopic: tail.text, contentType: contentType, matchesParent: tail.matchesParent))
        }
        if equals(first, "m") {
            guard let element = elements.next() else { throw .unknownPath }
            guard let domain = DomainReference(utf8: element) else { throw .invalidDomain }
            guard let word = elements.next(), equals(word, "c") else { throw .unknownPath }
            let channel = try channel(elements.next())
            let tail = try SubtopicBuilder.dotted(elements.rest, notation: notation, isFilter: isFilter)
            return .messages(
                MessagePath(domain: domain, channel: channel, subtopic: tail.text, matchesParent: tail.matchesParent))
        }
        if equals(first, "things") {
            guard let element = elements.next() else { throw .unknownPath }
            guard let thing = ThingID(utf8: element) else { throw .invalidThing }
            let tail = try SubtopicBuilder.dotted(elements.rest, notation: notation, isFilter: isFilter)
            return .thing(ThingPath(thing: thing, operation: tail.text, matchesParent: tail.matchesParent))
        }
        throw .unknownPath
    }

    private static func channel(_ element: UnsafeRawBufferPointer?) throws(PathError) -> ChannelReference {
        guard let element else { throw .unknownPath }
        guard let channel = ChannelReference(utf8: element) else { throw .invalidChannel }
        return channel
    }

    /// The first Mainflux's suffix directly behind `messages/`.
    private static func takeContentType(_ elements: inout PathElements) -> ContentType? {
        var ahead = elements
        guard let element = ahead.next() else { return nil }
        let contentType: ContentType
        if equals(element, "senml-json") {
            contentType = .senmlJSON
        } else if equals(element, "octet-stream") {
            contentType = .octetStream
        } else {
            return nil
        }
        elements = ahead
        return contentType
    }

    private static func equals(_ bytes: UnsafeRawBufferPointer, _ word: StaticString) -> Bool {
        guard bytes.count == word.utf8CodeUnitCount else { return false }
        for offset in 0..<bytes.count where bytes[offset] != word.utf8Start[offset] { return false }
        return true
    }
}

extension MessagePath {
    /// Reads what a message is published on; a device's control plane is ``PathError/unknownPath`` here.
    public static func publish(
        _ bytes: UnsafeRawBufferPointer, notation: PathNotation
    ) throws(PathError) -> MessagePath {
        guard case .messages(let path) = try DevicePath.publish(bytes, notation: notation) else { throw .unknownPath }
        return path
    }

    public static func publish(_ text: String, notation: PathNotation) throws(PathError) -> MessagePath {
        guard case .messages(let path) = try DevicePath.publish(text, notation: notation) else { throw .unknownPath }
        return path
    }

    /// Reads what a subscription asks for; a device's control plane is ``PathError/unknownPath`` here.
    public static func subscribe(
        _ bytes: UnsafeRawBufferPointer, notation: PathNotation
    ) throws(PathError) -> MessagePath {
        guard case .messages(let path) = try DevicePath.subscribe(bytes, notation: notation) else { throw .unknownPath }
        return path
    }

    public static func subscribe(_ text: String, notation: PathNotation) throws(PathError) -> MessagePath {
        guard case .messages(let path) = try DevicePath.subscribe(text, notation: notation) else { throw .unknownPath }
        return path
    }
}
