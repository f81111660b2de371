{{- define "common.heap" -}}
-Xms{{ . }} -Xmx{{ . }}
{{- end }}

{{/*
A program's properties as Confluent's images take them: KSQL_STREAMS_REPLICATION_FACTOR for streams.replication.factor.
Arguments: prefix, properties.
*/}}
{{- define "common.properties" -}}
{{- $prefix := .prefix }}
{{- range $name, $value := .properties }}
- name: {{ $prefix }}_{{ $name | replace "_" "__" | replace "-" "___" | replace "." "_" | upper }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}

{{/*
How a program reaches Kafka: the protocol, and from Secrets who it is and whom it trusts.
Arguments: prefix (of the variables), kafka (the values).
*/}}
{{- define "common.kafkaSecurity" -}}
- name: {{ .prefix }}_SECURITY_PROTOCOL
  value: {{ .kafka.protocol | quote }}
{{- if hasPrefix "SASL" .kafka.protocol }}
- name: {{ .prefix }}_SASL_MECHANISM
  value: {{ .kafka.mechanism | quote }}
- name: {{ .prefix }}_SASL_JAAS_CONFIG
  valueFrom:
    secretKeyRef:
      name: {{ .kafka.userSecret }}
      key: sasl.jaas.config
{{- end }}
{{- if and (hasSuffix "SSL" .kafka.protocol) .kafka.caSecret }}
- name: {{ .prefix }}_SSL_TRUSTSTORE_TYPE
  value: PEM
- name: {{ .prefix }}_SSL_TRUSTSTORE_LOCATION
  value: /mnt/kafka-ca/ca.crt
{{- end }}
{{- end }}

{{- define "common.kafkaVolumeMounts" -}}
{{- if and (hasSuffix "SSL" .protocol) .caSecret }}
- name: kafka-ca
  mountPath: /mnt/kafka-ca
  readOnly: true
{{- end }}
{{- end }}

{{- define "common.kafkaVolumes" -}}
{{- if and (hasSuffix "SSL" .protocol) .caSecret }}
- name: kafka-ca
  secret:
    secretName: {{ .caSecret }}
    items:
      - key: ca.crt
        path: ca.crt
{{- end }}
{{- end }}
