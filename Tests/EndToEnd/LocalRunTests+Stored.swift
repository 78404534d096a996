// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestKit
import Testing

extension LocalRunTests {
    /// What is stored is read through nginx in every way, and an export that is cut off is seen to be.
    /// - Parameter channel: one that holds the record `t`.
    func storedThroughTheFrontDoor(_ front: HTTPClient, channel: String, thing: String, key: String) async throws {
        struct Domain: Decodable {
            enum CodingKeys: String, CodingKey { case domain = "domain_id" }
            let domain: String
        }
        let domain = try await front.get("/channels/\(channel)").json(Domain.self).domain
        try await eventually("the record is stored") {
            try await front.get("/channels/\(channel)/messages").text.contains(#""name":"t""#)
        }
        #expect(
            try await front.send(
                "PATCH", "/domains/\(domain)", headers: ["Content-Type": "application/json"],
                body: Array(#"{"route":"test-hall"}"#.utf8)
            ).status == 200)
        for base in [
            "/channels/\(channel)", "/\(domain)/channels/\(channel)", "/test-hall/channels/\(channel)",
            "/test-hall/channels/both-ways",
        ] {
            for (path, expected) in [
                ("latest", #""name":"t""#), ("messages?aggregation=count&from=0&interval=1000000h", #""count":1"#),
                ("export", #""name":"t""#), ("export?as=csv", ",t,,1,"), ("export?as=senml-json", #"[{"n":"t","t":"#),
            ] {
                let answer = try await front.get("\(base)/\(path)")
                #expect(answer.status == 200 && answer.text.contains(expected), "\(path): \(answer.text)")
            }
        }
        try await anExportIsCut(front, channel: channel, thing: thing, key: key)
    }

    /// More than all sockets on the way hold, to a client that reads only when the right has been taken back.
    private func anExportIsCut(_ front: HTTPClient, channel: String, thing: String, key: String) async throws {
        let headers = ["Authorization": "Thing \(key)", "Content-Type": "application/octet-stream"]
        let payload = [UInt8](repeating: 7, count: 1_000_000)
        for _ in 0..<40 {
            let sent = try await front.send("POST", "/channels/\(channel)/messages", headers: headers, body: payload)
            #expect(sent.status == 202)
        }
        try await eventually("all are stored") {
            try await front.get("/channels/\(channel)/messages?format=blobs&limit=1").text.contains(#""total":40"#)
        }
        let client = BlockingHTTPConnection(port: front.port, timeoutSeconds: 60)
        try client.send(
            raw: Array(
                "GET /channels/\(channel)/export?format=blobs HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Thing \(key)\r\n\r\n"
                    .utf8))
        // The socket's buffers fill; then everything waits for the client.
        try await eventually("the export has begun") { client.hasReceived }
        let pair = ["thing_ids": [thing], "channel_ids": [channel]]
        #expect(try await front.post("/disconnect", json: pair).status < 300)
        try await eventually("the right is gone") {
            try await front.get("/channels/\(channel)/latest", headers: ["Authorization": "Thing \(key)"]).status == 403
        }
        let answer = ChunkedAnswer(try client.receiveToEnd())
        #expect(answer.status == "200")
        #expect(!answer.isWhole)
        #expect(answer.lines < 40)
    }
}
