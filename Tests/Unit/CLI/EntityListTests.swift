// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import MartletCLI

@Suite struct EntityListTests {
    /// As a management API pages: at most 100 at once, the first by offset, the others by cursor.
    private func answer(_ request: APIRequest, of count: Int) -> APIResponse {
        func number(_ name: String) -> Int? { request.query.first { $0.name == name }.flatMap { Int($0.value) } }
        let start = number("cursor") ?? number("offset") ?? 0
        let end = min(count, start + min(100, number("limit") ?? 10))
        let things = (min(start, end)..<end).map { JSONValue.document([("id", .integer($0))]) }
        let document = JSONValue.document([
            ("total", number("cursor") == nil ? .integer(count) : nil),
            ("next_cursor", end < count ? .string(String(end)) : nil), ("things", .array(things)),
        ])
        return APIResponse(status: 200, headers: [:], body: Array(document.description.utf8), path: request.path)
    }

    private func load(
        _ count: Int, offset: Int = 0, limit: Int
    ) async throws -> (identifiers: [Int], document: JSONValue, requests: [APIRequest]) {
        let list = EntityList(path: "/things", member: "things", filters: [("tag", "a")])
        var requests: [APIRequest] = []
        let document = try await list.load(offset: offset, limit: limit) { request in
            requests.append(request)
            return answer(request, of: count)
        }
        return ((document["things"]?.elements ?? []).compactMap { $0["id"]?.integer }, document, requests)
    }

    @Test(arguments: [
        (0, 0, 50), (7, 0, 50), (250, 0, 1_000), (250, 30, 120), (100, 0, 100), (250, 249, 9), (250, 400, 9),
    ])
    func readsAsManyAsAskedFor(count: Int, offset: Int, limit: Int) async throws {
        let (identifiers, document, requests) = try await load(count, offset: offset, limit: limit)
        #expect(identifiers == Array((0..<count).dropFirst(offset).prefix(limit)))
        #expect(document["total"]?.integer == count)
        #expect(requests.allSatisfy { $0.query.contains { $0 == ("tag", "a") } })
        #expect(requests.dropFirst().allSatisfy { request in !request.query.contains { $0.name == "offset" } })
    }
}
