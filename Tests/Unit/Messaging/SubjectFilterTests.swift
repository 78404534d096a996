// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging
import Testing

@Suite struct SubjectFilterTests {
    @Test(arguments: ["a", "a.b.c", "channels.5f8a6a3e-9c1e-7d2b-8a4f-0123456789ab.é", "A_-1!"])
    func takesSubjects(subject: String) {
        #expect(SubjectFilter.isValidSubject(subject))
        #expect(SubjectFilter.isValidFilter(subject))
        #expect(SubjectFilter.matches(filter: subject, subject: subject))
    }

    @Test(arguments: [
        "", ".", ".a", "a.", "a..b", "a b", "a\u{0}", "a\u{7F}", "a\t", "a\u{85}", "a*", "*a.b", "a>.b", ">.a", "a.>b",
    ])
    func refusesWhatNoSubjectOrFilterMayBe(subject: String) {
        #expect(!SubjectFilter.isValidSubject(subject))
        #expect(!SubjectFilter.isValidFilter(subject))
    }

    @Test(arguments: ["*", ">", "a.*", "*.b", "a.*.c", "a.>", "*.>"])
    func takesWildcardsInFiltersOnly(filter: String) {
        #expect(SubjectFilter.isValidFilter(filter))
        #expect(!SubjectFilter.isValidSubject(filter))
    }

    @Test func boundsTheLength() {
        #expect(SubjectFilter.isValidSubject(String(repeating: "a", count: Limits.subjectBytes)))
        #expect(!SubjectFilter.isValidSubject(String(repeating: "a", count: Limits.subjectBytes + 1)))
    }

    @Test func refusesWhatIsNotUTF8() {
        let bytes: [UInt8] = [0x61, 0xC3, 0x28]
        #expect(!bytes.withUnsafeBytes { SubjectFilter.isValidSubject($0) })
    }

    @Test(arguments: [
        ("a", "a", true), ("a", "b", false), ("a", "a.b", false), ("a.b", "a", false), ("*", "a", true),
        ("*", "a.b", false),
        ("a.*", "a.b", true), ("a.*", "a", false), ("a.*", "a.b.c", false), ("*.b", "a.b", true),
        ("a.*.c", "a.x.c", true),
        ("a.*.c", "a.x.d", false), (">", "a", true), (">", "a.b.c", true), ("a.>", "a", false), ("a.>", "a.b", true),
        ("a.>", "a.b.c", true), ("a.>", "ab.c", false), ("*.>", "a", false), ("*.>", "a.b", true), ("aa", "a", false),
        ("a", "aa", false), ("a.*", "a.bb", true),
    ])
    func matchesAsNATSDoes(filter: String, subject: String, expected: Bool) {
        #expect(SubjectFilter.matches(filter: filter, subject: subject) == expected)
    }

    @Test(arguments: [
        ("a", "a", true), ("a", "b", false), ("a.*", "*.b", true), ("a.>", "a.b.c", true), ("a.>", "a", false),
        ("a.*", "a.b.c", false), (">", "x", true), ("a.*.c", "a.b.*", true), ("a.*.c", "b.>", false),
        ("a.b", "a.>", true),
    ])
    func findsOverlap(left: String, right: String, expected: Bool) {
        #expect(SubjectFilter.overlaps(left, right) == expected)
        #expect(SubjectFilter.overlaps(right, left) == expected)
    }

    @Test(arguments: [
        ("a.>", "a.b", true), ("a.>", "a.*", true), ("a.>", "a.b.>", true), ("a.>", "a", false), ("a.*", "a.>", false),
        ("*", "a", true), ("a", "*", false), (">", ">", true), ("a.*", "a.*", true), ("a.b", "a.*", false),
    ])
    func knowsWhatAFilterCovers(wider: String, filter: String, expected: Bool) {
        #expect(SubjectFilter.covers(wider, filter) == expected)
    }

    /// Every filter against every subject over a tiny alphabet, compared with a token-by-token reading.
    @Test func agreesWithAPlainReading() {
        let tokens = ["a", "b", "ab"]
        let subjects = sequences(of: tokens, upTo: 3)
        let filters = sequences(of: tokens + ["*", ">"], upTo: 3).filter { !$0.dropLast().contains(">") }
        for filter in filters {
            for subject in subjects {
                let expected = plainlyMatches(filter[...], subject[...])
                let text = filter.joined(separator: ".")
                #expect(SubjectFilter.matches(filter: text, subject: subject.joined(separator: ".")) == expected)
            }
            for other in filters {
                let both = subjects.contains {
                    plainlyMatches(filter[...], $0[...]) && plainlyMatches(other[...], $0[...])
                }
                let (one, two) = (filter.joined(separator: "."), other.joined(separator: "."))
                #expect(SubjectFilter.overlaps(one, two) == both, "\(one) and \(two)")
            }
        }
    }

    private func sequences(of tokens: [String], upTo length: Int) -> [[String]] {
        var all: [[String]] = []
        var last: [[String]] = [[]]
        for _ in 0..<length {
            last = last.flatMap { sequence in tokens.map { sequence + [$0] } }
            all += last
        }
        return all
    }

    private func plainlyMatches(_ filter: ArraySlice<String>, _ subject: ArraySlice<String>) -> Bool {
        guard let first = filter.first else { return subject.isEmpty }
        if first == ">" { return !subject.isEmpty }
        guard let token = subject.first, first == "*" || first == token else { return false }
        return plainlyMatches(filter.dropFirst(), subject.dropFirst())
    }
}
