// SPDX-License-Identifier: Apache-2.0

/// One message of a simulated device.
struct SimulatedMessage: Sendable {
    struct Reading: Equatable, Sendable {
        /// With the base name in front, as it is stored.
        var name: String
        var value: Double
    }

    /// Which device sends it.
    var device: Int
    /// After the beginning; nil: as soon as it can be sent.
    var due: Duration?
    var body: [UInt8]
    var readings: [Reading]

    init(device: Int, due: Duration?, baseName: String, time: String?, measurements: [Measurement]) {
        self.device = device
        self.due = due
        let pack = Measurement.pack(measurements, baseName: baseName.isEmpty ? nil : baseName, time: time)
        body = Array(pack.description.utf8)
        readings = measurements.compactMap { measurement in
            guard case .number(let text) = measurement.value, let value = Double(text) else { return nil }
            return Reading(name: baseName + measurement.name, value: value)
        }
    }
}

/// Where simulated messages come from, in the order in which they are due.
protocol SimulationSource: Sendable {
    /// How many there will be; nil where that is not known.
    var total: Int? { get }

    /// - Returns: nil at the end.
    mutating func next() throws -> SimulatedMessage?
}
