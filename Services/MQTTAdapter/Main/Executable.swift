// SPDX-License-Identifier: Apache-2.0
import MQTTAdapter
import ServiceKit

@main struct Executable { static func main() async { await ServiceRunner.main(MQTTAdapter.description) } }
