// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging
import Testing

private let channel = "0190d6b0-0000-7000-8000-000000000002"
private let identifier = ChannelID(channel)!

@Suite struct DevicePathTests {
    private func publishError(_ text: String, _ notation: PathNotation) -> PathError? {
        do throws(PathError) {
            _ = try DevicePath.publish(text, notation: notation)
            return nil
        } catch {
            return error
        }
    }

    private func subscribeError(_ text: String, _ notation: PathNotation) -> PathError? {
        do throws(PathError) {
            _ = try DevicePath.subscribe(text, notation: notation)
            return nil
        } catch {
            return error
        }
    }

    // MARK: Forms

    @Test(arguments: [
        ("/channels/\(channel)/messages", PathNotation.http, ""), ("/http/channels/\(channel)/messages", .http, ""),
        ("/channels/\(channel)/messages/", .http, ""), ("/channels/\(channel)/messages/a/b", .http, "a.b"),
        ("/channels/\(channel)/messages/a/b?x=y/z", .http, "a.b"),
        ("//channels//\(channel)/messages//a///b//", .http, "a.b"),
        ("/channels/\(channel)/messages/a%62/%C3%A9", .http, "ab.é"),
        ("/channels/\(channel)/messages/a%2Fb", .http, "a.b"),
        ("channels/\(channel)/messages", .mqtt, ""), ("/channels/\(channel)/messages/a/b", .mqtt, "a.b"),
        ("channels/\(channel)/messages/a%62", .mqtt, "a%62"), ("channels/\(channel)/messages/a", .coap, "a"),
        ("/channels/\(channel)/messages/a%62", .coap, "ab"), ("/channels/\(channel.uppercased())/messages", .http, ""),
        ("/channels/\(channel)/messages/senml-json", .http, "senml-json"),
    ])
    func readsTheFirstForm(text: String, notation: PathNotation, subtopic: String) throws {
        let path = try MessagePath.publish(text, notation: notation)
        #expect(path == MessagePath(channel: .identifier(identifier), subtopic: subtopic))
        #expect(try MessagePath.subscribe(text, notation: notation) == path)
    }

    @Test(arguments: [
        ("/m/home/c/kitchen", PathNotation.http, ""), ("/http/m/home/c/kitchen/a/b", .http, "a.b"),
        ("m/home/c/kitchen/a", .mqtt, "a"), ("m/home/c/kitchen", .coap, ""),
        ("m/home/c/kitchen/senml-json", .mqtt, "senml-json"),
    ])
    func readsTheLaterForm(text: String, notation: PathNotation, subtopic: String) throws {
        let path = try MessagePath.publish(text, notation: notation)
        #expect(path == MessagePath(domain: .route("home"), channel: .route("kitchen"), subtopic: subtopic))
    }

    @Test func tellsIdentifiersFromRoutes() throws {
        let path = try MessagePath.publish("/m/\(channel)/c/\(channel)", notation: .http)
        #expect(path.domain == .identifier(DomainID(channel)!))
        #expect(path.channel == .identifier(identifier))
        #expect(path.channel.text == channel)
    }

    @Test(arguments: [
        ("channels/\(channel)/messages/senml-json", ContentType.senmlJSON, ""),
        ("channels/\(channel)/messages/octet-stream", .octetStream, ""),
        ("channels/\(channel)/messages/senml-json/a", .senmlJSON, "a"),
    ])
    func readsContentTypeSuffixes(topic: String, type: ContentType, subtopic: String) throws {
        let path = try MessagePath.publish(topic, notation: .mqtt)
        #expect(path.contentType == type)
        #expect(path.subtopic == subtopic)
        #expect(
            try MessagePath.publish("channels/\(channel)/messages/a/senml-json", notation: .mqtt).contentType == nil)
    }

    @Test func readsAThingsOwnPaths() throws {
        let path = try DevicePath.publish("things/\(channel)/twin/get", notation: .mqtt)
        #expect(path == .thing(ThingPath(thing: ThingID(channel)!, operation: "twin.get")))
        let filter = try DevicePath.subscribe("things/\(channel)/commands/#", notation: .mqtt)
        #expect(filter == .thing(ThingPath(thing: ThingID(channel)!, operation: "commands.>", matchesParent: true)))
        #expect(publishError("things/me/twin", .mqtt) == .invalidThing)
        #expect(throws: PathError.unknownPath) { try MessagePath.publish("things/\(channel)/twin", notation: .mqtt) }
    }

    // MARK: Refusals

    @Test(arguments: [
        "", "/", "/channels", "/channels/\(channel)", "/channels/\(channel)/message", "/channels//messages", "/m/home",
        "/m/home/x/kitchen", "/m/home/c", "/things", "/http", "/http/http/channels/\(channel)/messages",
        "/Channels/x/messages",
        "/channels/\(channel)/messagesx",
    ])
    func refusesOtherPaths(text: String) {
        #expect(publishError(text, .http) == .unknownPath)
        #expect(subscribeError(text, .http) == .unknownPath)
    }

    @Test func knowsThePrefixInHTTPOnly() {
        #expect(publishError("http/channels/\(channel)/messages", .mqtt) == .unknownPath)
        #expect(publishError("http/channels/\(channel)/messages", .coap) == .unknownPath)
    }

    @Test(arguments: [
        ("+", PathError.wildcard), ("a/#", .wildcard), ("*", .wildcard), ("a>b", .wildcard), ("a+b", .wildcard),
        ("a.b", .dot),
        (".", .dot), ("a b", .space), ("a\u{0}", .nul), ("a\u{1}", .controlCharacter), ("\u{7F}", .controlCharacter),
        ("\u{85}", .controlCharacter),
    ])
    func refusesInWhatIsPublished(subtopic: String, expected: PathError) {
        #expect(publishError("channels/\(channel)/messages/\(subtopic)", .mqtt) == expected)
        #expect(publishError("m/d/c/r/\(subtopic)", .mqtt) == expected)
        let encoded = subtopic.utf8.map { "%" + ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        #expect(publishError("/channels/\(channel)/messages/\(encoded)", .http) == expected)
        #expect(publishError("channels/\(channel)/messages/\(encoded)", .coap) == expected)
    }

    @Test(arguments: ["%", "%4", "%G0", "%0G", "a/%"])
    func refusesBrokenPercentEncoding(subtopic: String) {
        #expect(publishError("/channels/\(channel)/messages/\(subtopic)", .http) == .invalidPercentEncoding)
        #expect(publishError("channels/\(channel)/messages/\(subtopic)", .mqtt) == nil)
    }

    @Test func refusesWhatIsNotUTF8() {
        #expect(publishError("/channels/\(channel)/messages/%C3%28", .http) == .invalidUTF8)
        #expect(publishError("/channels/\(channel)/messages/%ED%A0%80", .http) == .invalidUTF8)
        // Half a character before the slash, half behind it.
        #expect(publishError("/channels/\(channel)/messages/%C3/%A9", .http) == .invalidUTF8)
    }

    @Test func boundsDepthAndLength() {
        let deep = Array(repeating: "a", count: Limits.subtopicTokens).joined(separator: "/")
        #expect(publishError("m/d/c/r/\(deep)", .mqtt) == nil)
        #expect(publishError("m/d/c/r/\(deep)/a", .mqtt) == .tooDeep)
        let long = String(repeating: "a", count: Limits.subtopicBytes)
        #expect(publishError("m/d/c/r/\(long)", .mqtt) == nil)
        #expect(publishError("m/d/c/r/\(long)a", .mqtt) == .tooLong)
    }

    @Test(arguments: ["a.b", "a b", "+", "#", "é", "*", String(repeating: "a", count: 129)])
    func refusesChannelsAndDomainsThatAreNeitherIdentifierNorRoute(element: String) {
        #expect(publishError("channels/\(element)/messages", .mqtt) == .invalidChannel)
        #expect(publishError("m/\(element)/c/r", .mqtt) == .invalidDomain)
        #expect(subscribeError("channels/\(element)/messages", .mqtt) == .invalidChannel)
    }

    // MARK: Subscriptions

    @Test(arguments: [
        ("+", "*", false), ("a/+/b", "a.*.b", false), ("#", ">", true), ("a/#", "a.>", true), ("+/#", "*.>", true),
        ("a/#/", "a.>", true),
    ])
    func translatesMQTTWildcards(filter: String, expected: String, matchesParent: Bool) throws {
        let path = try MessagePath.subscribe("channels/\(channel)/messages/\(filter)", notation: .mqtt)
        #expect(path.subtopic == expected)
        #expect(path.matchesParent == matchesParent)
    }

    @Test(arguments: [
        ("*", "*", false), ("a/%3E", "a.>", false), (">", ">", false), ("%23", ">", true), ("+", "*", false),
    ])
    func takesBusWildcardsInURLs(filter: String, expected: String, matchesParent: Bool) throws {
        let path = try MessagePath.subscribe("/channels/\(channel)/messages/\(filter)", notation: .http)
        #expect(path.subtopic == expected)
        #expect(path.matchesParent == matchesParent)
    }

    @Test(arguments: ["a+", "+a", "#a", "a#", "#/a", "*", ">", "a/*", "++"])
    func refusesMisplacedWildcards(filter: String) {
        #expect(subscribeError("channels/\(channel)/messages/\(filter)", .mqtt) == .misplacedWildcard)
    }

    @Test func needsTwoFiltersForTheParentLevel() throws {
        let all = try MessagePath.subscribe("channels/\(channel)/messages/#", notation: .mqtt)
        #expect(all.busFilters(channel: identifier) == ["channels.\(channel)", "channels.\(channel).>"])
        let some = try MessagePath.subscribe("channels/\(channel)/messages/a/#", notation: .mqtt)
        #expect(some.busFilters(channel: identifier) == ["channels.\(channel).a", "channels.\(channel).a.>"])
        let exact = try MessagePath.subscribe("channels/\(channel)/messages/a", notation: .mqtt)
        #expect(exact.busFilters(channel: identifier) == ["channels.\(channel).a"])
    }

    // MARK: Subjects and topics

    @Test func mapsToAndFromSubjects() throws {
        #expect(Subjects.messages(channel: identifier) == "channels.\(channel)")
        #expect(Subjects.messages(channel: identifier, subtopic: "a.é") == "channels.\(channel).a.é")
        #expect(Subjects.thing(ThingID(channel)!, operation: "twin.get") == "things.\(channel).twin.get")
        let subject = Array("channels.\(channel).a.b".utf8)
        let parts = try #require(subject.withUnsafeBytes { Subjects.parseMessages($0) })
        #expect(parts.channel == identifier)
        #expect(String(decoding: subject[parts.subtopic...], as: UTF8.self) == "a.b")
        for text in [
            "", "channels.", "channels.\(channel).", "channels.\(channel)x", "chanels.\(channel)", "channels.x",
        ] {
            #expect(Array(text.utf8).withUnsafeBytes { Subjects.parseMessages($0) } == nil)
        }
    }

    @Test func deliversUnderTheFormOfTheSubscription() {
        #expect(Subjects.topic(channel: .identifier(identifier), subtopic: "") == "channels/\(channel)/messages")
        #expect(Subjects.topic(channel: .identifier(identifier), subtopic: "a.b") == "channels/\(channel)/messages/a/b")
        #expect(Subjects.topic(channel: .route("r"), domain: .route("d"), subtopic: "a.b") == "m/d/c/r/a/b")
    }

    @Test func everyRefusalHasAReasonOfItsOwn() {
        #expect(Set(PathError.allCases.map(\.reason)).count == PathError.allCases.count)
        #expect(PathError.allCases.allSatisfy { $0.message.hasSuffix(".") })
    }
}
