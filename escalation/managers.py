"""The managers of incidents, for the engine."""

from collections.abc import Sequence

from bot.bot import Bot
from bot.engine import Manager
from escalation.actions.issues import IssueManager
from escalation.actions.manager import ActionManager
from escalation.alerts import AlertManager
from escalation.backups import BackupManager
from escalation.cards import CardManager
from escalation.channels import ChannelManager
from escalation.digest import DigestManager
from escalation.evidence import EvidenceManager
from escalation.handover import HandoverManager
from escalation.maintenance import MaintenanceManager
from escalation.manager import EscalationManager
from escalation.notices import NoticeManager
from escalation.pager import PageManager
from escalation.postmortem.manager import PostmortemManager
from escalation.postmortem.publishing import PublishManager
from escalation.reconciler import ReconcileManager
from escalation.retention.manager import RetentionManager
from escalation.roster import RosterManager
from escalation.silences import SilenceManager
from escalation.tend import IncidentManager
from escalation.trends.manager import TrendManager


def managers(bot: Bot) -> Sequence[Manager]:
    """Returns the managers that the configuration asks for, pages before chat."""
    store, config, ports = bot.store, bot.config, bot.ports
    trends = config.postmortem.trends if config.postmortem else None
    return [
        EscalationManager(store, config),
        PageManager(store, config, ports.pager),
        *([ReconcileManager(store, config, ports.pager)] if ports.pager is not None else []),
        RosterManager(store, config, ports.pager),
        HandoverManager(store, config, pager=ports.pager is not None),
        AlertManager(store, config, ports.alerting),
        IncidentManager(store, config),
        MaintenanceManager(store, config, ports.pager),
        *([SilenceManager(store, config, ports.alerting)] if ports.alerting is not None else []),
        NoticeManager(store, config),
        DigestManager(store, config),
        *([TrendManager(store, config, trends)] if trends is not None else []),
        ActionManager(store, config, ports.chat),
        *([IssueManager(store, config, ports.issues)] if ports.issues is not None else []),
        *([BackupManager(store, config, bot.door.submit)] if ports.backups is not None else []),
        PostmortemManager(store, config, ports.chat, bot.world),
        PublishManager(store, config, ports.libraries),
        CardManager(store, config),
        EvidenceManager(store, config, bot.world),
        *([RetentionManager(store, config, ports.backups, bot.audit_key)] if config.retention is not None and ports.backups is not None else []),
        *([ChannelManager(store, ports.chat)] if ports.chat is not None else []),
    ]
