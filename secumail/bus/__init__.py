"""The bus: the only place that knows AMQP.

connection  how to reach the broker
outgoing    publish: persistent, confirmed, mandatory
work        consume a work queue: retry steps, dead letters, traces, the watchdog
asking      commands and their answers; the gateway's ear
dead        dead letters, for the operator
"""
