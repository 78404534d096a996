// SPDX-License-Identifier: Apache-2.0
import Observability
import Testing

@Suite struct MetricsTests {
    @Test func theExpositionIsAsTheFormatPrescribes() {
        let registry = MetricsRegistry()
        registry.counter("b_total", help: "With \\ and\nnewline").increment(by: 3)
        let labelled = registry.counter("c_total", help: "By reason", labels: ["reason", "code"])
        labelled.with("a \"quoted\" \\ \n thing", "1").increment()
        registry.gauge("a", help: "A gauge").set(-1.5)
        let histogram = registry.histogram("d_seconds", help: "Times", labels: ["route"], buckets: [0.1, 1])
        histogram.with("/x").observe(0.1)
        histogram.with("/x").observe(0.5)
        histogram.with("/x").observe(7)
        registry.observe("e", help: "Observed", labels: ["queue"]) { [.init(labels: ["q"], value: 2)] }
        #expect(
            registry.exposition() == #"""
                # HELP a A gauge
                # TYPE a gauge
                a -1.5
                # HELP b_total With \\ and\nnewline
                # TYPE b_total counter
                b_total 3
                # HELP c_total By reason
                # TYPE c_total counter
                c_total{reason="a \"quoted\" \\ \n thing",code="1"} 1
                # HELP d_seconds Times
                # TYPE d_seconds histogram
                d_seconds_bucket{route="/x",le="0.1"} 1
                d_seconds_bucket{route="/x",le="1"} 2
                d_seconds_bucket{route="/x",le="+Inf"} 3
                d_seconds_sum{route="/x"} 7.6
                d_seconds_count{route="/x"} 3
                # HELP e Observed
                # TYPE e gauge
                e{queue="q"} 2

                """#)
    }

    @Test func aFamilyIsSharedByName() {
        let registry = MetricsRegistry()
        registry.counter("x_total", help: "").increment()
        registry.counter("x_total", help: "").increment()
        #expect(registry.counter("x_total", help: "").value == 2)
    }

    @Test func labelValuesFromOutsideAreBounded() {
        let registry = MetricsRegistry()
        let family = registry.counter("x_total", help: "", labels: ["who"])
        let limit = LabelledMetric<Counter>.maximumChildren
        for index in 0..<(limit + 500) { family.with("\(index)").increment() }
        #expect(family.with("other").value == 500)
        #expect(registry.exposition().split(separator: "\n").count == limit + 3)
    }

    @Test func incrementsFromManyTasksAllCount() async {
        let registry = MetricsRegistry()
        let counter = registry.counter("x_total", help: "")
        let gauge = registry.gauge("y", help: "")
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    for _ in 0..<10_000 {
                        counter.increment()
                        gauge.increment()
                    }
                }
            }
        }
        #expect(counter.value == 80_000)
        #expect(gauge.value == 80_000)
    }

    @Test func theProcessMeasuresItself() throws {
        let registry = MetricsRegistry()
        ProcessMetrics.register(in: registry)
        let text = registry.exposition()
        for name in [
            "process_resident_memory_bytes", "process_open_fds", "process_start_time_seconds", "process_max_fds",
        ] {
            let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("\(name) ") })
            let value = try #require(Double(line.split(separator: " ")[1]))
            #expect(value > 0, "\(name)")
        }
    }
}
