// SPDX-License-Identifier: Apache-2.0

/// Everything that `bench` measures, in the order of `bench all`.
enum Benchmark: String, CaseIterable {
    case bus
    case http
    case writer
    case latency
    case memory
    case live
    case login
    case mqtt
    case coap

    func run(_ options: BenchmarkOptions) async throws -> BenchmarkReport {
        switch self {
        case .bus: try BusBenchmark.run(options)
        case .http: try await HTTPBenchmark(options).run()
        case .writer: try await WriterBenchmark(options).run()
        case .latency: try await LatencyBenchmark(options).run()
        case .memory: try await MemoryBenchmark(options).run()
        case .live: try await LiveBenchmark(options).run()
        case .login: try await LoginBenchmark(options).run()
        case .mqtt: try await MQTTBenchmark(options).run()
        case .coap: try await CoAPBenchmark(options).run()
        }
    }
}
