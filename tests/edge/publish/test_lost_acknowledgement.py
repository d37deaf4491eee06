"""A connection that breaks between a message and its acknowledgement: the one case in which a window comes twice."""

from edge.publish.example import BUSY


def test_a_window_without_acknowledgement_stays_owed_and_comes_again_under_the_same_id(
    wire, mosquitto, listen, make_publisher, until
):
    mosquitto.start()
    wire.deaf = True
    listener = listen(mosquitto.port)
    publisher, outbox = make_publisher(port=wire.port, epoch="00c0ffee")
    publisher.start()
    publisher.publish(BUSY)
    until(lambda: listener.ids() == ["door/00c0ffee/1"])
    assert outbox.counts().waiting == 1
    wire.pull()
    wire.deaf = False
    wire.plug()
    until(lambda: outbox.counts().waiting == 0)
    until(lambda: listener.ids() == ["door/00c0ffee/1"] * 2)
    assert publisher.counts().reconnects == 1
