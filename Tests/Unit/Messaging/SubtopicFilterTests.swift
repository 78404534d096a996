// SPDX-License-Identifier: Apache-2.0
import Messaging
import Testing

@Suite struct SubtopicFilterTests {
    private func filter(_ subtopic: String, _ notation: PathNotation = .coap) throws -> SubtopicFilter {
        SubtopicFilter(try MessagePath.subscribe("channels/c/messages" + subtopic, notation: notation))
    }

    @Test("Without a subtopic it is the channel and everything below", arguments: PathNotation.allCases)
    func everything(notation: PathNotation) throws {
        for path in ["", "/#"] {
            let everything = try filter(path, notation)
            #expect(everything == .everything)
            #expect(["", "a", "a.b"].allSatisfy { everything.matches($0) })
        }
    }

    @Test("A subtopic is itself only")
    func exactly() throws {
        let exactly = try filter("/a/b")
        #expect(exactly == .exactly("a.b"))
        #expect(exactly.matches("a.b"))
        #expect(!["", "a", "a.b.c", "a.bc", "b.a"].contains { exactly.matches($0) })
    }

    @Test("# is all levels, and the one above; + is one level")
    func wildcards() throws {
        let below = try filter("/a/#")
        #expect(["a", "a.b", "a.b.c"].allSatisfy { below.matches($0) })
        #expect(!["", "b", "ab"].contains { below.matches($0) })
        let level = try filter("/a/+")
        #expect(level.matches("a.b"))
        #expect(!["", "a", "a.b.c"].contains { level.matches($0) })
        let middle = try filter("/+/b/#")
        #expect(["a.b", "x.b", "a.b.c"].allSatisfy { middle.matches($0) })
        #expect(!["b", "a.c", "a"].contains { middle.matches($0) })
    }
}
