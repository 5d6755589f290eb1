"""The series: what a demo is, how it is drawn without and with JavaScript, and the chapters that carry demos."""
