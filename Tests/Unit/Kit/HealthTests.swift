// SPDX-License-Identifier: Apache-2.0
import Foundation
import NIOCore
import NIOPosix
import Observability
import ServiceKit
import TestKit
import Testing

@Suite struct HealthTests {
    @Test func theWorstCheckDecides() async throws {
        let registry = HealthRegistry(version: "1", description: "d")
        #expect(await registry.report().status == .pass)
        let bus = registry.check("bus")
        registry.register("disk") { .degraded("90 % full") }
        #expect(await registry.report().status == .warn)
        #expect(await registry.report().httpStatus == 200)
        bus.set(.down("no \"connection\""))
        let report = await registry.report()
        #expect(report.status == .fail && report.httpStatus == 503)
        #expect(try JSONDecoder().decode(HealthReport.self, from: Data(report.json())) == report)
    }

    @Test func theManagementServerAnswers() async throws {
        let registry = HealthRegistry(version: "1", description: "d")
        let metrics = MetricsRegistry()
        metrics.counter("x_total", help: "x").increment()
        let server = ManagementServer(
            health: registry, metrics: metrics, eventLoopGroup: MultiThreadedEventLoopGroup.singleton)
        let channel = try await server.start(host: "127.0.0.1", port: 0)
        let client = HTTPClient(port: try #require(channel.localAddress?.port))
        let health = try await client.get("/health")
        #expect(health.status == 200 && health.headers["content-type"] == "application/health+json")
        #expect(try await client.get("/metrics").text.contains("x_total 1\n"))
        let check = registry.check("bus", initially: .down("gone"))
        #expect(try await client.get("/health?x=1").status == 503)
        check.set(.up)
        #expect(try await client.get("/health").status == 200)
        #expect(try await client.get("/other").status == 404)
        #expect(try await client.post("/health", text: "x").status == 405)
        try await channel.close()
    }
}
