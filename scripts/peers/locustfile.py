"""Users of Locust's own MQTT client that connect and stay. Locust's client connects by itself when the user is made."""
import itertools, os

from locust import task
from locust.contrib.mqtt import MqttUser

numbers = itertools.count()


class Device(MqttUser):
    host = os.environ["MQTT_HOST"]
    port = int(os.environ["MQTT_PORT"])
    # Without it one process holds about 340 connections.
    use_loop_selectors = True

    def __init__(self, environment):
        n = next(numbers)
        self.client_id, self.username = f"locust-{n}", f"user-{n}"
        with open(os.environ["PASSWORD_FILE"]) as password:
            self.password = password.read()
        super().__init__(environment)

    def wait_time(self):
        return 3600

    @task
    def stay(self):
        pass
