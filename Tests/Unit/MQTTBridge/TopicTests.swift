// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import MQTTBridge

@Suite struct TopicTests {
    @Test func wildcardsSayWhatTheyStoodFor() throws {
        #expect(try TopicPattern("a/+/c").match("a/b/c") == ["b"])
        #expect(try TopicPattern("a/+/c").match("a/b/d") == nil)
        #expect(try TopicPattern("a/+").match("a/b/c") == nil)
        #expect(try TopicPattern("a/#").match("a") == [""])
        #expect(try TopicPattern("a/#").match("a/b/c") == ["b/c"])
        #expect(try TopicPattern("+/#").match("a/b/c") == ["a", "b/c"])
        #expect(try TopicPattern("a/+").match("a/") == [""])
        #expect(try TopicPattern("#").match("a/b") == ["a/b"])
        #expect(try TopicPattern("/a").match("a") == nil)
    }

    @Test("Wildcards do not match topics of the server's own [MQTT-4.7.2-1]") func serverTopics() throws {
        #expect(try TopicPattern("#").match("$SYS/load") == nil)
        #expect(try TopicPattern("+/load").match("$SYS/load") == nil)
        #expect(try TopicPattern("$SYS/#").match("$SYS/load") == ["load"])
    }

    @Test func badFiltersAreRefused() {
        for (filter, problem) in [
            ("", TopicPattern.Problem.empty), ("a/#/b", .wildcard), ("a+", .wildcard), ("a/b#", .wildcard),
            ("a\u{0}", .nul), (String(repeating: "a", count: 65_536), .tooLong),
        ] {
            #expect(throws: problem) { try TopicPattern(filter) }
        }
    }

    @Test func overlapsAreSeen() throws {
        for (left, right, expected) in [
            ("a/+", "a/b", true), ("a/#", "a", true), ("a/+", "b/+", false), ("a/+/c", "a/b", false),
            ("#", "x/y", true), ("a/+/c", "+/b/c", true), ("a/b", "a/b", true), ("a/b", "a/c", false),
        ] {
            let (one, other) = (try TopicPattern(left), try TopicPattern(right))
            #expect(one.overlaps(other) == expected, "\(left) and \(right)")
            #expect(other.overlaps(one) == expected, "\(right) and \(left)")
        }
    }

    @Test func templatesAreFilled() throws {
        let template = try TopicTemplate("plant/{2}/of/{1}", names: [], wildcards: 2)
        #expect(template.fill(["a", "b/c"]) { _ in "" } == "plant/b/c/of/a")
        let tail = try TopicTemplate("plant/{1}", names: [], wildcards: 1)
        #expect(tail.fill([""]) { _ in "" } == "plant")
        let named = try TopicTemplate("{channel}/x/{subtopic}", names: ["channel", "subtopic"], wildcards: 0)
        #expect(named.fill([]) { $0 } == "channel/x/subtopic")
        #expect(named.pattern == (try TopicPattern("#")))
        #expect(tail.pattern == (try TopicPattern("plant/#")))
        #expect(try TopicTemplate("a/b", names: [], wildcards: 0).pattern == (try TopicPattern("a/b")))
    }

    @Test func badTemplatesAreRefused() {
        for text in ["{", "}", "{1}", "{0}", "{10}", "{nobody}", "a/+", "a/#", "{}"] {
            #expect(throws: TopicTemplate.Problem.self, "\(text)") {
                try TopicTemplate(text, names: ["topic"], wildcards: 0)
            }
        }
        #expect(throws: TopicTemplate.Problem.self) { try TopicTemplate("{3}", names: [], wildcards: 2) }
    }
}
