// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging

/// Paths and topics: what is accepted must make valid subjects and filters, and come back from its topic.
struct PathTarget: FuzzTarget {
    private static let channel = "5f8a6a3e-9c1e-7d2b-8a4f-0123456789ab"

    let name = "path"

    let seeds: [[UInt8]] = [
        "/channels/\(channel)/messages", "/channels/\(channel)/messages/a/b%20c?x=1", "/http/m/home/c/kitchen/a",
        "m/home/c/\(channel)/+/#", "channels/\(channel)/messages/senml-json/x", "things/\(channel)/twin/get",
        "/channels/\(channel)/messages/*/>", "/m/d/c/r/%C3%A9/b", "channels/route/messages//a//b/",
    ].map { [UInt8]($0.utf8) }

    let dictionary: [[UInt8]] = [
        "channels/", "messages/", "/m/", "/c/", "things/", "http/", "+", "#", "*", ">", ".", "%2F", "%00", "%2B", "%",
        "//", "senml-json", "octet-stream", "\u{E9}", "\u{85}", channel, "a/b/c/d/e/f/g/h/",
    ].map { [UInt8]($0.utf8) }

    func generate(_ random: inout SeededRandom) -> [UInt8] {
        var text = random.pick(["/channels/\(Self.channel)/messages", "m/d/c/r", "/http/m/d/c/\(Self.channel)"])
        for _ in 0..<random.below(40) {
            text += "/" + random.pick(["a", "room", "1", "+", "#", "*", ">", "%41", "\u{E9}", "a.b", "a b", ""])
        }
        return [UInt8](text.utf8)
    }

    func check(_ input: [UInt8]) throws(Disagreement) -> Bool {
        var isAccepted = false
        for notation in PathNotation.allCases {
            let published = parse(input, notation, DevicePath.publish)
            let subscribed = parse(input, notation, DevicePath.subscribe)
            if let published {
                isAccepted = true
                guard subscribed == published else {
                    throw Disagreement("\(notation): published as \(published), subscribed as \(subscribed as Any)")
                }
                try checkSubject(published)
            }
            if let subscribed {
                isAccepted = true
                try checkFilters(subscribed)
            }
        }
        return isAccepted
    }

    private func parse(
        _ input: [UInt8], _ notation: PathNotation,
        _ parser: (UnsafeRawBufferPointer, PathNotation) throws(PathError) -> DevicePath
    ) -> DevicePath? {
        input.withUnsafeBytes { bytes in try? parser(bytes, notation) }
    }

    private func checkSubject(_ path: DevicePath) throws(Disagreement) {
        switch path {
        case .thing(let path):
            let subject = Subjects.thing(path.thing, operation: path.operation)
            guard SubjectFilter.isValidSubject(subject) else { throw Disagreement("no subject: \(subject)") }
        case .messages(let path):
            guard path.subtopic.utf8.count <= Limits.subtopicBytes else { throw Disagreement("too long a subtopic") }
            let identifier = ChannelID(high: 1, low: 2)
            var subject = Subjects.messages(channel: identifier, subtopic: path.subtopic)
            guard SubjectFilter.isValidSubject(subject) else { throw Disagreement("no subject: \(subject)") }
            let parts = subject.withUTF8 { Subjects.parseMessages(UnsafeRawBufferPointer($0)) }
            guard let parts, parts.channel == identifier,
                String(subject.utf8.dropFirst(parts.subtopic)) ?? "" == path.subtopic
            else { throw Disagreement("not the same channel and subtopic: \(subject)") }
            try checkTopic(path)
        }
    }

    /// Delivered under its topic, a message is found where it was published; a first element that names a content type is the exception.
    private func checkTopic(_ path: MessagePath) throws(Disagreement) {
        let topic = Subjects.topic(channel: path.channel, domain: path.domain, subtopic: path.subtopic)
        guard let again = try? MessagePath.publish(topic, notation: .mqtt) else {
            throw Disagreement("not a topic: \(topic)")
        }
        guard again.contentType == nil else { return }
        guard again.channel == path.channel, again.domain == path.domain, again.subtopic == path.subtopic else {
            throw Disagreement("the topic \(topic) is \(again), not \(path)")
        }
    }

    private func checkFilters(_ path: DevicePath) throws(Disagreement) {
        guard case .messages(let path) = path else { return }
        for filter in path.busFilters(channel: ChannelID(high: 1, low: 2)) where !SubjectFilter.isValidFilter(filter) {
            throw Disagreement("no filter: \(filter)")
        }
    }
}

extension String {
    fileprivate init?(_ bytes: Substring.UTF8View) { self.init(validating: bytes, as: UTF8.self) }
}
