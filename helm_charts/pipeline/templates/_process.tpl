{{/* A process of ours. Arguments: root, kind, table, digest (the contract's), arguments (a list), resources, secret. */}}
{{- define "pipeline.pod" -}}
{{- $selector := include "pipeline.selector" . | fromYaml }}
metadata:
  labels:
    {{- toYaml $selector | nindent 4 }}
    app.kubernetes.io/part-of: dropless
  annotations:
    # A process reads its contract once, so another contract is another process.
    dropless/contract: {{ .digest }}
spec:
  {{- include "common.pod" (dict "root" .root "user" 1000 "selector" $selector) | nindent 2 }}
  terminationGracePeriodSeconds: 20
  containers:
    - name: {{ .kind }}
      image: {{ include "common.image" .root.Values.image }}
      securityContext:
        {{- include "common.containerSecurity" . | nindent 8 }}
        readOnlyRootFilesystem: true
      command: [python, -m, {{ .module }}]
      args:
        - --table
        - {{ .table }}
        - --contract
        - /etc/dropless/contract/contract.json
        - --status-port
        - "8080"
        {{- range .arguments }}
        - {{ . | quote }}
        {{- end }}
      env:
        - {name: DROPLESS_STATE, value: /var/lib/dropless}
        - {name: DROPLESS_ENDPOINTS, value: /etc/dropless/endpoints/endpoints.json}
        - {name: DROPLESS_KAFKA_USER, value: {{ .user }}}
        - {name: PYTHONUNBUFFERED, value: "1"}
        {{- with .environment }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- /* The status is served on loopback only. */}}
      livenessProbe:
        exec:
          command: [python, -c, "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/', timeout=4).read()"]
        initialDelaySeconds: 20
        periodSeconds: 20
        timeoutSeconds: 5
        failureThreshold: 6
      resources:
        {{- toYaml .resources | nindent 8 }}
      volumeMounts:
        - {name: state, mountPath: /var/lib/dropless}
        - {name: tmp, mountPath: /tmp}
        - {name: endpoints, mountPath: /etc/dropless/endpoints, readOnly: true}
        - {name: contract, mountPath: /etc/dropless/contract, readOnly: true}
        - {name: secrets, mountPath: /etc/dropless/secrets, readOnly: true}
  volumes:
    # Nothing of value: offsets are Kafka's, the lake's are in its table.
    - {name: state, emptyDir: {sizeLimit: 1Gi}}
    - {name: tmp, emptyDir: {sizeLimit: 1Gi}}
    - name: endpoints
      configMap: {name: {{ .root.Release.Name }}-endpoints}
    - name: contract
      configMap: {name: {{ .root.Release.Name }}-contract-{{ .table | replace "_" "-" }}}
    - name: secrets
      projected:
        sources:
          - secret:
              name: {{ .kafkaSecret }}
              optional: {{ not .root.Values.kafka.caSecret }}
              items: [{key: password, path: kafka_password}]
          {{- with .root.Values.kafka.caSecret }}
          - secret:
              name: {{ . }}
              items: [{key: ca.crt, path: kafka_ca.crt}]
          {{- end }}
          {{- if eq .kind "lake-writer" }}
          - secret:
              name: {{ .root.Values.s3.secret }}
              items: [{key: {{ .root.Values.s3.key }}, path: minio_pipeline}]
          {{- end }}
{{- end }}

{{- define "pipeline.selector" -}}
app.kubernetes.io/name: {{ .kind }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
dropless/table: {{ .table }}
{{- end }}

{{- define "pipeline.name" -}}
{{ .kind }}-{{ .table | replace "_" "-" }}
{{- end }}
