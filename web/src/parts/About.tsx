import { Button, Dialog, DialogTrigger, Heading, Modal, ModalOverlay } from "react-aria-components";
import type { ModelCard } from "../api/client";
import { Icon } from "../look/Icon";
import { colourOf, wordFor } from "../look/modality";
import { runTitle } from "../look/runs";

const METRICS = ["recall@10", "recall@20", "ndcg@10", "ndcg@20", "hit_rate@10", "coverage@10"];

function whole(value: number): string {
  return value.toLocaleString("en");
}

/** What is served: model, data and how good it is. */
export function About({ model }: { model: ModelCard }) {
  const names = model.modalities.map((modality) => modality.name);
  const stage = "test" in model.metrics ? "test" : Object.keys(model.metrics)[0];
  const metrics = stage ? (model.metrics[stage] ?? {}) : {};
  const shown = METRICS.filter((name) => name in metrics);
  return (
    <DialogTrigger>
      <Button className="button button-icon" aria-label="About this run">
        <Icon name="info" />
      </Button>
      <ModalOverlay className="sheet-under" isDismissable>
        <Modal className="sheet sheet-small">
          <Dialog className="why">
            {({ close }) => (
              <>
                <Button className="button button-icon why-close" onPress={close} aria-label="Close">
                  <Icon name="close" />
                </Button>
                <Heading slot="title" level={2}>
                  {runTitle({ name: model.run, model: model.model }, model.runs)}
                </Heading>
                <dl className="facts">
                  <div>
                    <dt>Run</dt>
                    <dd>{model.runs.find((run) => run.name === model.run)?.folder ?? model.run}</dd>
                  </div>
                  <div>
                    <dt>People</dt>
                    <dd>{whole(model.users)}</dd>
                  </div>
                  <div>
                    <dt>Videos</dt>
                    <dd>{whole(model.items)}</dd>
                  </div>
                  <div>
                    <dt>Watched in training</dt>
                    <dd>{whole(model.interactions)}</dd>
                  </div>
                  {model.trained && (
                    <div>
                      <dt>Trained</dt>
                      <dd>{model.trained.slice(0, 16).replace("T", " ")}</dd>
                    </div>
                  )}
                  <div>
                    <dt>reelmix</dt>
                    <dd>{model.version}</dd>
                  </div>
                </dl>
                <h3>Videos that have each modality</h3>
                <ul className="given">
                  {model.modalities.map((modality) => (
                    <li key={modality.name}>
                      <span className="given-name">
                        {wordFor(modality.name)} <span className="muted">{modality.name}</span>
                      </span>
                      <span className="given-track" aria-hidden="true">
                        <span
                          className="given-bar"
                          style={{
                            width: `${(100 * modality.items) / Math.max(1, model.items)}%`,
                            backgroundColor: colourOf(modality.name, names),
                          }}
                        />
                      </span>
                      <span className="given-number">
                        {Math.round((100 * modality.items) / Math.max(1, model.items))} %
                      </span>
                    </li>
                  ))}
                </ul>
                {shown.length > 0 && (
                  <>
                    <h3>How good it is, on {stage} data</h3>
                    <dl className="facts">
                      {shown.map((name) => (
                        <div key={name}>
                          <dt>{name}</dt>
                          <dd>{(metrics[name] ?? 0).toFixed(4)}</dd>
                        </div>
                      ))}
                    </dl>
                  </>
                )}
              </>
            )}
          </Dialog>
        </Modal>
      </ModalOverlay>
    </DialogTrigger>
  );
}
